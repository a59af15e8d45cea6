"""Do messages of one kind fall into one group, without tuning? Beside drain3 with its documented masks; printed as a table.

The sets are generated from templates written after those of public log sets (block storage, ssh, a web server, a cluster
scheduler, a hypervisor, a coordination service), headers stripped, with variables of digits and of words. Grouping
accuracy is the share of lines whose group holds exactly the lines of their template (Zhu et al., ICSE-SEIP 2019).
Speed is lines a processor second from text to the group's number, ours and drain3's in turns, each round with fresh
groups; the medians of the rounds. Run with ``python benchmarks/grouping.py [--lines N] [--rounds N]``.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from random import Random
from statistics import median

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig
from rich.console import Console
from rich.table import Table

from nightshift.daemon.intake.template import compiled, specified, template

WORDS = (
    "root",
    "admin",
    "guest",
    "oracle",
    "webmaster",
    "backup",
    "postgres",
    "deploy",
    "nobody",
    "alice",
    "mail",
    "www",
)
SETS: dict[str, list[str]] = {
    "block storage": [
        "Receiving block {blk} src: /{ip}:{n} dest: /{ip}:50010", "PacketResponder {d} for block {blk} terminating",
        "BLOCK* NameSystem.addStoredBlock: blockMap updated: {ip}:50010 is added to {blk} size {n}",
        "Received block {blk} of size {n} from /{ip}", "Verification succeeded for {blk}",
        "Deleting block {blk} file /mnt/hadoop/dfs/data/current/subdir{d}/{blk}",
        "{ip}:50010 Served block {blk} to /{ip}", "{ip}:50010:Got exception while serving {blk} to /{ip}:",
        "BLOCK* ask {ip}:50010 to replicate {blk} to datanode(s) {ip}:50010", "Starting thread to transfer block {blk}",
    ],
    "ssh": [
        "Failed password for root from {ip} port {n} ssh2", "Failed password for invalid user {w} from {ip} port {n} ssh2",
        "Invalid user {w} from {ip}", "Connection closed by {ip} [preauth]", "input_userauth_request: invalid user {w} [preauth]",
        "pam_unix(sshd:auth): check pass; user unknown", "Received disconnect from {ip}: 11: Bye Bye [preauth]",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}",
        "Accepted password for {w} from {ip} port {n} ssh2", "error: Received disconnect from {ip}: 3: com.jcraft.jsch.JSchException",
    ],
    "web server": [
        "jk2_init() Found child {n} in scoreboard slot {d}", "workerEnv.init() ok /etc/httpd/conf/workers{d}.properties",
        "mod_jk child workerEnv in error state {d}", "[client {ip}] Directory index forbidden by rule: /var/www/html/",
        "jk2_init() Can't find child {n} in scoreboard", "mod_jk child init {d} -{d}",
    ],
    "cluster": [
        "Registered executor ID {d} on host{d}.cluster with {n} cores", "Running task {d}.0 in stage {d}.0 (TID {n})",
        "Finished task {d}.0 in stage {d}.0 (TID {n}). {n} bytes result sent to driver", "Found block rdd_{d}_{d} locally",
        "Block broadcast_{d} stored as values in memory (estimated size {f} KB, free {f} MB)",
        "Reading broadcast variable {d} took {n} ms", "Got assigned task {n}", "Asked to send map output locations for shuffle {d}",
        "Lost task {d}.{d} in stage {d}.0: ExecutorLostFailure", "Removed TaskSet {d}.0, whose tasks have all completed",
        "Input split: hdfs://{ip}:9000/user/data/part-{n}:{n}+{n}",
    ],
    "hypervisor": [
        "[instance: {uuid}] VM Started (Lifecycle Event)", "[instance: {uuid}] VM Paused (Lifecycle Event)",
        "[instance: {uuid}] Took {f} seconds to build instance.", "[instance: {uuid}] Creating image",
        "[instance: {uuid}] Terminating instance", "Active base files: /var/lib/nova/instances/_base/{hex}",
        '{ip} "GET /v2/{hex}/servers/detail HTTP/1.1" status: 200 len: {n} time: {f}',
        '{ip} "POST /v2/{hex}/os-server-external-events HTTP/1.1" status: 200 len: {n} time: {f}',
        "Unknown base file: /var/lib/nova/instances/_base/{hex}", "image {uuid} at (/var/lib/nova/_base/{hex}): checking",
        "[instance: {uuid}] Deletion of /var/lib/nova/instances/{uuid}_del complete",
    ],
    "coordination": [
        "Received connection request /{ip}:{n}", "Accepted socket connection from /{ip}:{n}",
        "Closed socket connection for client /{ip}:{n} which had sessionid 0x{hex}", "Expiring session 0x{hex}, timeout of {n}ms exceeded",
        "Established session 0x{hex} with negotiated timeout {n} for client /{ip}:{n}", "Interrupted while waiting for message on queue",
        "Connection broken for id {n}, my id = {d}, error =", "Send worker leaving thread", "Interrupting SendWorker",
        "Processed session termination for sessionid: 0x{hex}", "Notification time out: {n}", "caught end of stream exception",
    ],
}  # fmt: skip
Lines = list[tuple[int, str]]
Group = Callable[[str], object]


def written(templates: Sequence[str], count: int, rng: Random) -> Lines:
    """Lines with the number of their template, some templates far more frequent than others."""
    weights = [1 / (n + 1) for n in range(len(templates))]
    return [(n, _filled(templates[n], rng)) for n in rng.choices(range(len(templates)), weights, k=count)]


def _filled(text: str, rng: Random) -> str:
    makers: dict[str, Callable[[], str]] = {
        "{ip}": lambda: ".".join(str(rng.randrange(256)) for _ in range(4)), "{n}": lambda: str(rng.randrange(100_000)),
        "{d}": lambda: str(rng.randrange(10)), "{f}": lambda: f"{rng.uniform(0, 100):.1f}",
        "{w}": lambda: rng.choice(WORDS), "{blk}": lambda: f"blk_{rng.randrange(-(10**18), 10**18)}",
        "{hex}": lambda: f"{rng.getrandbits(60):015x}",
        "{uuid}": lambda: f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-4{rng.getrandbits(12):03x}-"
                          f"a{rng.getrandbits(12):03x}-{rng.getrandbits(48):012x}",
    }  # fmt: skip
    for name, make in makers.items():
        while name in text:
            text = text.replace(name, make(), 1)
    return text


def ours(template: Callable[[str], str] = template) -> Group:
    """Lines with one template are one group."""
    known: dict[str, int] = {}
    return lambda line: known.setdefault(template(line), len(known))


def drain() -> Group:
    """drain3 as its documentation sets it up."""
    config = TemplateMinerConfig()
    config.masking_instructions = [
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})((?=[^A-Za-z0-9])|$)", "IP"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)([0-9a-f]{6,} ?){3,}((?=[^A-Za-z0-9])|$)", "SEQ"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)", "HEX"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
    ]
    miner = TemplateMiner(config=config)
    return lambda line: miner.add_log_message(line)["cluster_id"]


def accuracy(truth: Sequence[int], groups: Sequence[object]) -> float:
    """The share of lines whose group is exactly their template."""
    wanted: dict[int, set[int]] = defaultdict(set)
    found: dict[object, set[int]] = defaultdict(set)
    for line, (kind, group) in enumerate(zip(truth, groups, strict=True)):
        wanted[kind].add(line)
        found[group].add(line)
    return sum(len(lines) for lines in found.values() if lines == wanted[truth[min(lines)]]) / len(truth)


def measured(lines: Lines, make: Callable[[], Group]) -> tuple[float, float]:
    """Accuracy and processor seconds with nothing known before."""
    group, texts = make(), [text for _, text in lines]
    begun_s = time.process_time()
    groups = [group(text) for text in texts]
    spent_s = time.process_time() - begun_s
    return accuracy([kind for kind, _ in lines], groups), spent_s


def compared(lines: Lines, rounds: int) -> list[tuple[float, float]]:
    """Accuracy and the median of the seconds: ours, ours without its compiled part, drain3."""
    runs = [[measured(lines, make) for make in (ours, lambda: ours(specified), drain)] for _ in range(rounds)]
    return [(runs[0][n][0], median(run[n][1] for run in runs)) for n in range(3)]


def main() -> None:
    """Every set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=5000, help="lines in each set")
    parser.add_argument("--rounds", type=int, default=7, help="how often each set is grouped")
    given = parser.parse_args()
    table = Table(
        title=f"grouping accuracy, {given.lines} lines a set, {given.rounds} rounds, compiled: {bool(compiled())}"
    )
    for column in ("set", "templates", "nightshift", "drain3", "lines/s", "in Python", "drain3 lines/s", "ratio"):
        table.add_column(column, justify="left" if column == "set" else "right")
    rng, sums = Random(11), [0.0] * 5
    for name, templates in SETS.items():
        (right, fast_s), (_, plain_s), (drain_right, drain_s) = compared(
            written(templates, given.lines, rng), given.rounds
        )
        row = (right, drain_right, fast_s, plain_s, drain_s)
        sums = [a + b for a, b in zip(sums, row, strict=True)]
        table.add_row(name, f"{len(templates)}", *shown(row, given.lines))
    count = len(SETS)
    table.add_row(
        "all (limit + 0.03, 10 ×)", "", *shown((sums[0] / count, sums[1] / count, *sums[2:]), given.lines * count)
    )
    Console(width=120).print(table)


def shown(row: Sequence[float], lines: int) -> list[str]:
    """Accuracies, lines a processor second, drain3's seconds over ours."""
    return [*(f"{share:.3f}" for share in row[:2]), *(f"{lines / s:,.0f}" for s in row[2:]), f"{row[4] / row[2]:.1f}"]


if __name__ == "__main__":
    main()
