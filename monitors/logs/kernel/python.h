/* Python's traces: ends.py for those that lie whole, tangle.py for one with a few lines of others in it. */
static const char CAUSED[] = "The above exception was the direct cause", HANDLING[] = "During handling of the above exception";
static int chains(P p, P e) { return p < e && one_of(*p, "TD") && (starts(p, e, CAUSED) || starts(p, e, HANDLING)); }
static int mentions_chain(P p, P e) { return e - p > 60 && (has(p, e, CAUSED) || has(p, e, HANDLING)); }

/* Whether a marker of a chain follows within a few lines: 1 it may, 0 no, -1 not to be told yet. */
static int chain_ahead(Text *t, P p) {
    for (int n = 0, others = 0; n < 5; n++, p = next_line(t, p)) {
        if (p >= t->stop) return t->final ? 0 : -1;
        if (endless(t, p)) return 0;
        if (chains(p, to_of(t, p))) return 1;
        others += to_of(t, p) > p;
        if (header(t, p) || others > 2) return 0;
    }
    return 0;
}

/* Up to where an exception's message goes, whose next line is p. Hands over whatever is chained. */
static Event python_message(Text *t, P start, P p, P from) {
    for (int told = 0;; told++, p = next_line(t, p)) {
        if (p >= t->stop) return t->final ? event(PYTHON, start, p, 0) : more(start, 1);
        P to = to_of(t, p);
        if (endless(t, p) || p - start >= MAX_BYTES || chains(p, to)) return hand(from);
        if (header(t, p) || head_match(p, to) || is_other(p, to) || told >= 30) break;
        if (to == p || is_record(t, p)) {
            int chained = chain_ahead(t, p);
            if (chained) return chained < 0 ? more(start, 1) : hand(from);
        }
        if (to == p || is_record(t, p)) break;
        if (mentions_chain(p, to)) return hand(from);
    }
    return event(PYTHON, start, p, 0);
}

static int names_exception(P p, P e) { /* exception_line(), for plain names */
    static const char *levels[] = {"Debug", "Info", "Notice", "Warn", "Warning", "Error", "Critical", "Fatal", "Trace", 0};
    P q = p, last = p;
    if (!is_raised(p, e)) return 0;
    for (; q < e && (is_word(*q) || *q == '.'); q++) if (*q == '.') last = q + 1;
    for (const char **l = levels; *l; l++) if (q - p == (long)strlen(*l) && !memcmp(p + 1, *l + 1, q - p - 1)) return 0;
    return q - p < 200 && (last > p || (*p >= 'A' && *p <= 'Z'));
}
/* Somebody else's line within a trace that is no event: 1; 0 when it is not sure to be that. */
static int is_stranger(Text *t, P p) {
    P to = to_of(t, p);
    if (is_alpha(*p) || one_of(*p, "_> ") || is_space(*p) || *p >= 0x80 || header(t, p)) return 0;
    return *p == '{' ? !json_is_event(p, to) : !is_bad(t, p);
}

/* A trace with others' lines from p on; the lines before are its own. `h` is the hash of those. */
static Event broken_event(Text *t, P start, P at, P p, P from, uint64_t h, int frames) {
    int others = 0, told = 0;
    for (;; p = next_line(t, p)) {
        P to = to_of(t, p);
        if (p >= t->stop || p - at >= MAX_BYTES || endless(t, p) || to == p) return hand(from);
        if (*p == ' ' || *p == '\t') { h = hash_line(h, p, to, 0); others = 0; frames = 1; continue; }
        if (names_exception(p, to)) break;
        if (!is_stranger(t, p) || ++others > 2) return hand(from);
    }
    h = hash_line(h, p, to_of(t, p), !frames);
    P end = next_line(t, p);
    int doubt = 0;
    others = 0;
    for (p = end;; p = next_line(t, p)) {
        if (p >= t->stop || p - at >= MAX_BYTES || endless(t, p)) return hand(from);
        P to = to_of(t, p), q = p;
        int head = header(t, p);
        if (head == 1 || (head && header_core(t, p))) break;
        if (head || mentions_chain(p, to) || starts(p, to, "  File \"")) return hand(from);
        if (is_other(p, to) || head_match(p, to)) break;
        while (q < to && (is_space(*q) || (*q >= 0x1c && *q <= 0x1f) || *q >= 0x80)) q++;
        if (q == to && q > p) return hand(from); /* which blanks count as nothing is Python's to say */
        if (to > p && (others || is_record(t, p))) {
            if (++others > 2) break;
            doubt |= *p == '{' || is_bad(t, p);
        } else {
            if (++told > 30) break;
            if (doubt) return hand(from);
            others = 0; end = next_line(t, p);
        }
    }
    t->group[0] = event(PYTHON, start, end, h); t->grouped = 1;
    Event whole = {PYTHON, start, end, h, GROUP, 1};
    return whole;
}

/* A trace whose header is at `at`, reaching back to `start`; `from` is the line that led here. */
static Event python_event(Text *t, P start, P at, P from) {
    P p = next_line(t, at), to = p;
    int frames = 0;
    uint64_t h = trace_hash(t, PYTHON, start, at);
    for (;; p = next_line(t, p)) {
        if (p >= t->stop) return t->final ? hand(from) : more(start, 0);
        to = to_of(t, p);
        if (p - start >= MAX_BYTES || endless(t, p) || to == p) return hand(from);
        if (*p != ' ' && *p != '\t') break;
        if (starts(p, to, "  + ") || starts(p, to, "  | ")) return hand(from);
        if (!frames) { /* Ruby's, with the bottom first */
            P q = past_space(p, to), d = q;
            while (d < to && is_digit(*d)) d++;
            if (d > q && starts(d, to, ": from ")) return hand(from);
        }
        frames = 1;
        h = hash_bytes(h, p, to);
    }
    if (!is_raised(p, to) || is_record(t, p)) return t->groups ? broken_event(t, start, at, p, from, h, frames) : hand(from);
    if (!names_exception(p, to)) return hand(from); /* what follows is still read as part of the trace */
    h = hash_line(h, p, to, !frames);
    Event found = python_message(t, start, next_line(t, p), from);
    if (found.status == END) found.hash = h ? h : 1;
    return found;
}
