"""The kill switch: a file, a line of the configuration, or a word from the command line or the API, which the store
keeps. It is looked at right before every effect; when it can't be looked at, it counts as thrown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightshift.daemon.missions.policy.settings import Settings

if TYPE_CHECKING:
    from nightshift.daemon.store.store import Store


def stopped(store: Store, settings: Settings) -> str:
    """Why there may be no effect now; '' when there may."""
    return by_settings(settings) or _by_word(store)


def by_settings(settings: Settings) -> str:
    """The same without the store's word: the configuration's line, and its file."""
    if settings.stop:
        return "stopped by the configuration (policy.stop)"
    if settings.stop_file is None:
        return ""
    try:
        settings.stop_file.lstat()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"stopped: {settings.stop_file} can't be looked at: {error.strerror}"
    return f"stopped by the file {settings.stop_file}"


def _by_word(store: Store) -> str:
    from nightshift.daemon.store.database import STORE_ERRORS  # SQL: sensors read these settings too

    try:
        thrown = store.switches.thrown()
    except STORE_ERRORS as error:
        return f"stopped: the store can't be asked: {(str(error).splitlines() or [''])[0]}"
    if thrown is None:
        return ""
    return f"stopped by {thrown.actor}{f': {thrown.reason}' if thrown.reason else ''}"
