/* What decides the fingerprint of an event of several lines. */
static uint64_t hash_line(uint64_t h, P p, P to, int masked) {
    if (p < to && (*p == ' ' || *p == '\t')) return hash_bytes(h, p, to);
    if (masked) return hash_masked(h, p, to);
    P q = p + (starts(p, to, "Caused by: ") ? 11 : 0), colon = memchr(q, ':', to - q);
    return hash_bytes(h, p, colon ? colon : to);
}
static uint64_t hash_lines(Text *t, uint64_t h, P p, P end, int frames) {
    for (; p < end; p = next_line(t, p)) h = hash_line(h, p, to_of(t, p), !frames || is_record(t, p));
    return h;
}
/* Level words differ in severity, so the record before a trace counts with its level token; its text decides nothing. */
static uint64_t with_level(uint64_t h, P p, P e) {
    P stop = e - p > WINDOW ? p + WINDOW : e;
    h = mix(h, 1);
    if (is_klog(p, e)) return mix(h, *p);
    for (P q = p; q < stop;) {
        if (!is_alpha(*q)) { q++; continue; }
        P from = q;
        while (q < stop && is_alpha(*q)) q++;
        const Level *l = level_word(from, (int)(q - from > 9 ? 9 : q - from));
        if (l && is_level(p, from, q, stop, l)) return mix(h, (uint64_t)(l - LEVELS) + 1);
    }
    return h;
}
static uint64_t trace_hash(Text *t, int kind, P start, P body) {
    uint64_t h = seed ^ (uint64_t)kind;
    return start < body ? with_level(h, start, to_of(t, start)) : h;
}
