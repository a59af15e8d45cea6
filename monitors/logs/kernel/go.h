/* Go's panics. */
static int goroutine_follows(Text *t, P p) { /* 1, 0, or -1 not to be told yet */
    for (int n = 0; n < 8; n++) {
        p = next_line(t, p);
        if (p >= t->stop) return t->final ? 0 : -1;
        if (endless(t, p)) return 0;
        if (starts(p, to_of(t, p), "goroutine ") || starts(p, to_of(t, p), "runtime stack:")) return 1;
    }
    return 0;
}

/* What parse() reads of a line; `inside` counts the goroutines so far, of which the first tells where it was. */
static uint64_t hash_go(uint64_t h, P p, P to, int *inside) {
    if (starts(p, to, "goroutine ")) return mix(h, (uint64_t)++*inside + 2);
    if (*inside > 1 || p == to) return h;
    if (!*inside) return hash_masked(h, p, to);
    P q = p;
    if (*p == '\t') {
        while (q + 3 < to && memcmp(q, " +0x", 4)) q++;
        return hash_bytes(h, p, q + 3 < to ? q : to);
    }
    if (starts(p, to, "exit status ")) return mix(h, 2);
    if (to[-1] != ')') return hash_masked(h, p, to);
    for (q = to; q > p && q[-1] != '(';) q--;
    return hash_bytes(h, p, q);
}

static Event go_event(Text *t, P at) {
    int follows = goroutine_follows(t, at), inside = 0;
    if (follows < 0) return more(record_before(t, at), 1);
    if (!follows || is_bad(t, at)) return hand(at);
    P p = next_line(t, at);
    for (int n = 0; n < 6; n++, p = next_line(t, p)) { /* the message may have more lines */
        if (p >= t->stop) return t->final ? hand(at) : more(at, 0);
        if (endless(t, p)) return hand(at);
        P to = to_of(t, p);
        if (to == p || go_frame(p, to) || is_record(t, p)) break;
    }
    int over = to_of(t, p) > p && !go_frame(p, to_of(t, p)) && is_record(t, p);
    for (; !over; p = next_line(t, p)) {
        if (p >= t->stop) { if (t->final) break; return more(at, 1); }
        if (p - at > MAX_BYTES || endless(t, p)) return hand(at);
        if (to_of(t, p) > p) { if (!go_frame(p, to_of(t, p))) break; continue; }
        P q = next_line(t, p);
        if (q >= t->stop) { if (t->final) return hand(at); return more(at, 1); }
        if (!starts(q, to_of(t, q), "goroutine ") && !starts(q, to_of(t, q), "runtime stack:")) break;
    }
    uint64_t h = seed ^ GO;
    for (P q = at; q < p; q = next_line(t, q)) h = hash_go(h, q, to_of(t, q), &inside);
    return event(GO, at, p, h);
}
