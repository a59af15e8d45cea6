/* Lines through which a trace may pass that is not of the common cases: of another language, or behind a writer's
 * prefix (writers.py). */
#define LOOK_AHEAD 12

/* Where in the line it shows, 0 for nowhere; `own` also counts what needs no prefix. */
static P foreign(P p, P e, int own) {
    if (p < e && one_of(*p, " \t")) return 0;
    for (P q = p; q < e; q++) {
        int found = 0, in = q > p;
        switch (*q) {
        case 'a': found = q - p > 2 && starts(q, e, "at ") && (q[-1] == '\t' || (q[-1] == ' ' && q[-2] == ' ')); break;
        case 'T': found = in && starts(q, e, "Traceback ("); break;
        case 'F': found = (q - p > 2 && starts(q - 2, e, "  File \"")) || (own && starts(q, e, "Fatal error: ")); break;
        case 'p': found = in && (starts(q, e, "panic: ") || starts(q, e, "panicked at")); break;
        case 'g': found = in && starts(q, e, "goroutine "); break;
        case 'f': found = in && ((one_of(q[-1], " \t") && starts(q, e, "from ")) || (own && starts(q, e, "fatal error: "))); break;
        case ':': found = starts(q, e, ":in `") || starts(q, e, ":in '"); break;
        case 'S': found = (in || own) && starts(q, e, "Stack trace:"); break;
        case '[': found = (in || own) && starts(q, e, "[stacktrace]"); break;
        case 'P': found = own && starts(q, e, "Parse error: "); break;
        case 'U': found = own && starts(q, e, "Uncaught "); break;
        }
        if (found) return q;
    }
    return 0;
}

static int is_foreign(Text *t, P p) {
    Line *l = look(t, p);
    if (l->foreign < 0) {
        P near = t->stop - l->end > 64 ? l->end + 64 : t->stop; /* a search over so much needs no slow end */
        l->foreign = one_of(*p, " \t\n") || next_hit(&filters[2], p, near) >= l->end ? 0 : foreign(p, l->to, 1) != 0;
    }
    return l->foreign;
}

/* 1 a header and nothing else, 0 none, -1 one with something before or behind it. */
static int header(Text *t, P p) {
    Line *l = look(t, p);
    if (l->header != -2) return l->header;
    P to = l->to;
    int found = plain_header(p, to);
    if (!found && to > p && (*p == ' ' || *p == '\t' || is_foreign(t, p)) && has(p, to, HEADER)) found = -1;
    look(t, p)->header = (signed char)found;
    return found;
}

/* Whether a line may be written behind the prefix of a foreign one, apart from the digits in it. */
static int may_share(P f, P f_end, P p, P e) {
    P mark = foreign(f, f_end, 0);
    if (!mark) return 1;
    if (*mark == ':') while (mark > f && !is_space(mark[-1])) mark--;
    P thread = mark > f ? memmem(f, (size_t)(mark - f), "thread '", 8) : 0;
    if (thread) mark = thread;
    while (mark > f && (is_space(mark[-1]) || one_of(mark[-1], "+([\"0123456789:"))) mark--;
    for (P q = f; q < mark;) {
        if (p >= e) return 0;
        if (is_digit(*q) && is_digit(*p)) {
            while (q < mark && is_digit(*q)) q++;
            while (p < e && is_digit(*p)) p++;
        } else if (*q++ != *p++) return 0;
    }
    return 1;
}

static int shares_ahead(Text *t, P at) {
    P p = at, to = to_of(t, at);
    for (int n = 0; n < LOOK_AHEAD; n++) {
        p = next_line(t, p);
        if (p >= t->stop) return 0;
        if (is_foreign(t, p) && may_share(p, to_of(t, p), at, to)) return 1;
    }
    return 0;
}

/* The length of what stands before a header, with neither a clock nor a trace's mark in it; 0 for none such. */
static long header_core(Text *t, P p) {
    P to = to_of(t, p), mark = foreign(p, to, 0);
    if (!mark || *mark != 'T' || mark - p < 2 || mark - p > 190 || is_space(*p)) return 0;
    if (plain_header(mark, to) != 1 || mark[-1] != ' ' || is_space(mark[-2]) || mark[-2] == '+' || mark[-2] == 'p') return 0;
    int run = 0;
    for (P q = p; q < mark - 1; q++) {
        run = is_digit(*q) ? run + 1 : 0;
        if (run > 8 || *q == ':' || *q == '\t' || *q >= 0x80 || (is_digit(*q) && one_of(q[1], "-/"))) return 0;
    }
    return starts_record(p, mark - 1) ? 0 : mark - 1 - p;
}
