"""Notices outlive a channel that is down for days, and no notice or channel holds up another."""

from dataclasses import dataclass, field

import pytest

from nightshift.daemon.app.outbox import KEEP_MS, REST_S, Outbox
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke, Notice
from nightshift.daemon.store.store import Store


@dataclass
class Channel:
    """Takes notices, unless it is down or the notice is poison."""

    name: str = "webhook"
    down: bool = False
    poison: str = ""
    took: list[str] = field(default_factory=list)
    tries: int = 0

    def send(self, notice: Notice) -> None:
        self.tries += 1
        if self.down or notice.key == self.poison:
            raise EnvironmentBroke("scripted: 503")
        if notice.key == "broken":
            raise ValueError("scripted: can't be rendered")
        self.took.append(notice.key)

    def probe(self) -> Health:
        return Health(ok=not self.down, what=self.name, detail="")


@dataclass
class Post:
    """An outbox with two channels and a clock."""

    store: Store
    clock: ManualClock = field(default_factory=ManualClock)
    web: Channel = field(default_factory=Channel)
    file: Channel = field(default_factory=lambda: Channel(name="file"))

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.store, {"webhook": self.web, "file": self.file}, self.clock)

    def write(self, *keys: str) -> None:
        for key in keys:
            notice = Notice(key=key, title=key, text=key)
            self.store.notices.enqueue(notice, ("webhook", "file"), self.clock.now_ms())

    def pass_hours(self, hours: float) -> None:
        for _ in range(int(hours * 240)):
            self.clock.advance(15)
            self.outbox.deliver()


@pytest.fixture
def post(store: Store) -> Post:
    return Post(store)


def test_a_channel_down_for_a_day_loses_nothing_and_is_not_pestered(post: Post):
    post.web.down = True
    post.write("a", "b", "c")
    post.outbox.deliver()
    post.pass_hours(24)
    assert post.file.took == ["a", "b", "c"]
    assert post.web.took == []
    assert post.web.tries < 24 * 3600 / REST_S[-1] * 1.2, "it rests longer and longer"
    post.web.down = False
    post.pass_hours(0.25)
    assert sorted(post.web.took) == ["a", "b", "c"]


def test_what_nobody_took_for_days_is_given_up_in_the_end(post: Post):
    post.web.down = True
    post.write("a")
    post.outbox.deliver()
    post.clock.advance(KEEP_MS / 1000 + 1)
    post.outbox.deliver()
    assert post.store.notices.waiting() == []


def test_many_waiting_for_one_channel_do_not_hold_up_the_other(post: Post):
    post.web.down = True
    post.write(*(f"n{i:03}" for i in range(120)))
    for _ in range(4):
        post.clock.advance(1)
        post.outbox.deliver()
    assert len(post.file.took) == 120


def test_a_notice_its_channel_chokes_on_does_not_hold_up_the_others(post: Post):
    post.web.poison = "poison"
    post.write("poison", "b")
    post.outbox.deliver()
    post.pass_hours(2)
    post.write("c")
    post.outbox.deliver()
    assert post.web.took == ["b", "c"], "a new one goes out at once, however long the channel rests"


def test_a_notice_that_cannot_be_sent_at_all_is_dropped(post: Post):
    post.write("broken", "b")
    post.outbox.deliver()
    assert post.web.took == post.file.took == ["b"]
    assert post.store.notices.waiting() == []


def test_a_channel_that_was_taken_out_of_the_configuration(post: Post):
    post.store.notices.enqueue(Notice(key="a", title="", text=""), ("slack", "file"), 1)
    assert post.outbox.deliver() == 1
    assert post.store.notices.waiting() == []
