/* Stacks of "at" lines: Java's, Node's, .NET's. */

/* Whether a stack goes on behind up to two records at p that are no errors: 1, 0, or -1 not to be told yet. */
static int resumes(Text *t, P p) {
    for (int n = 0; n < 2; n++) {
        if (p >= t->stop || !is_record(t, p) || *p == '{' || is_bad(t, p) || head_search(p, to_of(t, p))) return 0;
        p = next_line(t, p);
        if (p >= t->stop) return t->final ? 0 : -1;
        if (is_at(p, to_of(t, p))) return 1;
    }
    return 0;
}

/* One whose frames start at `body`; `start` is its first line, `from` the line that led here. */
static Event stack_event(Text *t, P start, P body, int record, P from) {
    P p = body;
    for (;; p = next_line(t, p)) {
        if (p >= t->stop) { if (t->final) break; return more(start, 1); }
        if (p - start > MAX_BYTES || endless(t, p)) return hand(from);
        if (!stack_more(p, to_of(t, p))) break;
    }
    P q = p;
    for (int n = 0; n < 3 && q < t->stop; n++, q = next_line(t, q)) { /* a cause's message may have more lines */
        P to = to_of(t, q);
        if (endless(t, q) || is_at(q, to)) return hand(from);
        if (to == q || is_record(t, q) || header(t, q) || head_search(q, to)) break;
        if (n == 2) break;
        if (next_line(t, q) >= t->stop && !t->final) return more(start, 1);
    }
    int on = resumes(t, p);
    if (on) return on < 0 ? more(start, 1) : hand(from);
    uint64_t h = trace_hash(t, STACK, start, record ? body : start);
    return event(STACK, start, p, hash_lines(t, h, record ? next_line(t, start) : start, p, 1));
}

/* The stack whose first frame is at `at`, with the line that names its exception right above. */
static Event stack_at(Text *t, P at) {
    P head = before(t, at);
    if (!head || endless(t, head)) return hand(at);
    P to = to_of(t, head);
    if (is_inner(head, to) || !head_search(head, to)) return hand(at);
    P start = record_before(t, head);
    return stack_event(t, start, at, start < head, at);
}
