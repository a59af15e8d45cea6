/* Several writers' Python traces line by line, each behind its prefix (writers.py): those whose lines follow each
 * other without anybody else's in between, behind prefixes without a time in them. */
#define LOOK_BACK 16
#define FIRST_LINES 64
#define SILENCE 24
typedef struct { P core; long len; P start, last; int state, frames; uint64_t hash; } Prefix; /* state: 0 frames, 1 over */

static P behind(const Prefix *w, P p, P to) { /* the line without the prefix; 0 when it has another */
    if (to - p < w->len || memcmp(p, w->core, w->len)) return 0;
    P q = p + w->len;
    int c = q[-1];
    if (q < to && (is_alpha(c) || is_digit(c) || c >= 0x80) && (is_word(*q) || *q == '-')) return 0;
    return q < to && *q == ' ' ? q + 1 : q;
}
static int take_line(Prefix *w, P body, P to) { /* 0: not one of the common cases */
    if (w->state || body >= to) return 0;
    if (*body == ' ' || *body == '\t') {
        if (starts(body, to, "  + ") || starts(body, to, "  | ")) return 0;
        P q = past_space(body, to), d = q;
        while (d < to && is_digit(*d)) d++;
        if (!w->frames && d > q && starts(d, to, ": from ")) return 0;
        w->frames = 1;
        w->hash = hash_bytes(w->hash, body, to);
        return 1;
    }
    if (!w->frames || !names_exception(body, to) || starts_record(body, to)) return 0;
    w->hash = hash_line(w->hash, body, to, 0);
    return w->state = 1;
}
/* How many lines from `at` on are such writers'; 0 when it is not sure. */
static int run_of(Text *t, P at, Prefix *all, int *count) {
    int lines = 0, open = 0;
    for (P p = at;; p = next_line(t, p), lines++) {
        if (p >= t->stop || p - at >= MAX_BYTES || endless(t, p) || lines > FIRST_LINES - SILENCE - 4) return 0;
        P to = to_of(t, p), body = 0;
        int w = 0;
        while (w < *count && !(body = behind(&all[w], p, to))) w++;
        if (w < *count) {
            if (!take_line(&all[w], body, to)) return 0;
            all[w].last = p;
            open -= all[w].state;
            continue;
        }
        long len = is_foreign(t, p) ? header_core(t, p) : 0;
        if (!len) return open ? 0 : lines;
        if (*count == MAX_GROUP) return 0;
        Prefix new = {p, len, p, p, 0, 0, seed ^ PYTHON};
        for (w = 0; w < *count; w++) if (!memcmp(all[w].core, p, len < all[w].len ? len : all[w].len)) return 0;
        all[(*count)++] = new;
        open++;
    }
}
/* Whether nothing above or behind can belong to them. */
static int stands_alone(Text *t, P at, int lines, const Prefix *all, int count) {
    P p = at;
    for (int n = 0; n < LOOK_BACK && (p = above(t, p)) != 0; n++) {
        if (endless(t, p) || foreign(p, to_of(t, p), 0)) return 0;
        for (int w = 0; w < count; w++) if (behind(&all[w], p, to_of(t, p))) return 0;
    }
    p = at;
    for (int n = 0; n < FIRST_LINES; n++, p = next_line(t, p)) {
        if (p >= t->stop) return t->final;
        if (endless(t, p) || p - at >= MAX_BYTES) return 0;
        for (int w = 0; w < count && n >= lines; w++) if (behind(&all[w], p, to_of(t, p))) return 0;
    }
    return 1;
}

static Event shared_event(Text *t, P at) {
    Prefix all[MAX_GROUP];
    int count = 0, lines;
    if (!t->groups || !header_core(t, at)) return hand(at);
    P next = next_line(t, at);
    if (next >= t->stop || is_space(*next) || one_of(*next, "gS#")) return hand(at);
    if (!(lines = run_of(t, at, all, &count)) || !stands_alone(t, at, lines, all, count)) return hand(at);
    P last = all[0].last;
    for (t->grouped = 0; t->grouped < count && all[t->grouped].start <= last; t->grouped++)
        if (all[t->grouped].last > last) last = all[t->grouped].last;
    P end = next_line(t, last);
    for (int w = 0; w < t->grouped; w++) t->group[w] = event(PYTHON, all[w].start, end, all[w].hash);
    Event whole = {PYTHON, at, end, 0, GROUP, 1};
    return whole;
}
