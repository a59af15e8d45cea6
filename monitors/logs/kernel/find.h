/* The event a line belongs to: segment.py's found(), compiled. */
#define AHEAD 4

/* Whether a trace of a language that is left to segment.py may begin at a line. */
static int may_begin(Text *t, P p, P to) {
    for (P q = p; q < to && q < p + 12; q++) if (*q == 'f' && starts(q, to, "from ")) return 1;
    if (starts(p, to, "thread <")) return 1;
    if (!is_foreign(t, p)) return 0;
    return has(p, to, ":in ") || has(p, to, "atal error: ") || has(p, to, "Parse error: ") || has(p, to, "panicked at") ||
           starts(p, to, "Stack trace:") || starts(p, to, "[stacktrace]");
}

/* An error record at `at`: alone, or with the trace behind it. */
static Event record_event(Text *t, P at) {
    P end = next_line(t, at), p = end;
    if (shares_ahead(t, at)) return hand(at);
    for (int n = 0; n < AHEAD; n++, p = next_line(t, p)) {
        if (p >= t->stop) { if (t->final) break; return more(at, 1); }
        if (endless(t, p)) break;
        P to = to_of(t, p);
        int head = header(t, p);
        if (head == 1) return python_event(t, at, p, at);
        if (head && starts(p, to, HEADER)) return hand(at);
        if (head || is_other(p, to)) break;
        if (*p != '{' && may_begin(t, p, to)) return hand(at);
        if (is_at(p, to)) {
            P above = before(t, p);
            if (n && !is_record(t, at)) return hand(at); /* `Error: x` is read as part of the stack */
            if (is_inner(above, to_of(t, above)) || !head_search(above, to_of(t, above))) return hand(at);
            return stack_event(t, at, p, n > 0, at);
        }
        if (to == p || is_record(t, p)) break;
    }
    uint64_t h = mix(hash_masked(seed ^ LINE, at, to_of(t, at)), 1);
    return event(LINE, at, end, h);
}

/* What the line at `at` is; kind -1 for nothing. */
static Event event_at(Text *t, P at) {
    P to = to_of(t, at);
    Event none = {-1, at, next_line(t, at), 0, END, 0};
    if (endless(t, at)) return hand(at);
    if (to > at && *at == '{') {
        if (!json_is_event(at, to)) return none;
        Event found = {JSON, at, none.end, hash_json(at, to), END, 1};
        return found;
    }
    if (is_foreign(t, at)) return header(t, at) ? shared_event(t, at) : hand(at);
    int head = header(t, at);
    if (head == 1) return python_event(t, record_before(t, at), at, at);
    if (head < 0) return hand(at);
    if (is_at(at, to)) return stack_at(t, at);
    if (starts(at, to, "panic: ")) return go_event(t, at);
    if (is_other(at, to) || starts(at, to, "thread ") || starts(at, to, "  File \"")) return hand(at);
    if (to > at && (*at == ' ' || *at == '\t') && (has(at, to, "from ") || has(at, to, ":in ") || has(at, to, " error: "))) return hand(at);
    if (t->errors && is_bad(t, at)) return record_event(t, at);
    return none;
}
