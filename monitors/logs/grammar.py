"""What lines of traces look like, on bytes, in the languages whose traces are found without being decoded."""

from __future__ import annotations

import re

CHAINS = (b"The above exception was the direct cause", b"During handling of the above exception")
OTHERS = (b"panic: ", b"fatal error: ", b"thread '", b"goroutine ")
AHEAD, MESSAGE_LINES, MATCHED = 4, 30, 2000

AT = re.compile(rb"(?:\t+| {2,})at \S")
STACK_MORE = re.compile(
    rb"\s+at \S|\s*\.\.\. \d+ (?:more|common frames|lines? matching)|\s*(?:Caused by|Suppressed|W"
    rb"rapped by): ?|\s*---> |\s+--- End of"
    rb"|\s*\[cause\]: |\s+\[(?:cause|errors)\]: |[}\]],?$|\s*Node\.js v\d|\s+[\w$'\"]+: |  {0,3}[}\]]"
)
HEAD = re.compile(rb"(?:[A-Za-z_$][\w$]*[./])*[A-Z][\w$]*(?:Exception|Error|Throwable|Failure|Fault|Abort|Interrupt)\b"
                   rb"|(?:^|[\s:\]])Error(?::|$)|Caused by: |Unhandled exception|Exception in thread"
                   rb"|Uncaught")  # fmt: skip
RAISED = re.compile(rb"[A-Za-z_\x80-\xff][\w.\x80-\xff]*(?:<locals>[\w.]*)?(?::(?: .*)?)?$", re.DOTALL)
GO_FRAME = re.compile(rb"\t\S.*:\d+|created by |\[signal |exit status |goroutine \d+ |\tpanic: "
                       rb"|\.\.\.additional"
                       rb"|[^\s(]+(?:\(\*?[\w.\[\]]+\))?[\w.\[\]/%*-]*\(.*\)$|\[recovered\]|runtime stack:|rax |\S+ "
                       rb"+0x[0-9a-f]+$")  # fmt: skip
PLACED = re.compile(rb"\s+at (?:[^\s(]*\.[^\s(]+\(|.*:\d+:\d+\)?[\s,{]*$|.* \((?:<anonymous>|native|index \d+)\))")
NAMED = re.compile(rb"(?:[A-Za-z_$][\w$]*[./])*[A-Z][\w$]*(?: \[\w+\])?(?:: |:?$)|\[[A-Z][\w$]*Error: ")
CAUSE = re.compile(rb"Caused by: |Suppressed: ")
INNER = re.compile(rb"\s|Caused by: |Suppressed: |Wrapped by: ")
RUST_FRAME = re.compile(rb"stack backtrace:|\s+\d+: |\s+at |note: |  {2,}\S")
RUST_BACKTRACE = re.compile(rb"stack backtrace:$|note: run with `RUST_BACKTRACE")
RUST_OLD_END = re.compile(rb".*', \S.*:\d+:\d+$")
RUBY_CRASH = re.compile(rb":\d+:in [`'][^']{1,300}': (?:.*\([A-Z][\w:]*\)|unhandled exception)$")
RUBY_HEAD = re.compile(rb".*:\d+:in ")
RUBY_FRAME = re.compile(rb"\s+(?:\d+: )?from .*:\d+(?::in )?")
RUBY_BARE = re.compile(rb"\s*(?!from )[^\s:][^:]{0,300}:\d+:in [`'][^']{1,300}'$")
RUBY_LOGGED = re.compile(rb".* \([A-Z][\w:]*\)$|(?:.*\s)?[A-Z][\w:]* \(.*\):?$")
RUBY_BOTTOM = re.compile(rb"\s+\d+: from ")
PHP_FATAL = re.compile(rb".*(?:PHP (?:Fatal|Parse|Recoverable fatal) error: |Fatal error: +Uncaught )")
PHP_LOGGED = re.compile(rb"(?:\[[^\]]*\] )?(?:.*[\s\"])?[A-Za-z_][\w\\]*: |.*\[object\] \(")
PHP_FRAME = re.compile(
    rb"(?:\[[^\]]*\] )?(?:PHP )?(?:Stack trace:|#\d+ |\s+thrown in |Next [A-Z\\]|  thrown|\s+\d+\. "
    rb"|\[(?:previous )?(?:stacktrace|exception)\]|\"\} ?$)"
)
RUBY_LISTED = re.compile(RUBY_FRAME.pattern + b"|" + RUBY_BARE.pattern)
