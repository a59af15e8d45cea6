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
        }
        if (found) return q;
    }
    return 0;
}

static int is_foreign(Text *t, P p) {
    while (t->told <= p) {
        P hit = next_hit(&filters[2], t->told, t->stop);
        if (hit >= t->stop) { t->told = t->stop + 1; break; }
        P line = memrchr(t->told, '\n', hit - t->told);
        line = line ? line + 1 : t->told;
        P e = line_end(hit, t->stop);
        if (foreign(line, chomp(line, e), 1)) t->strangers[t->next++ & (STRANGERS - 1)] = line;
        t->told = e + 1;
    }
    for (unsigned n = 1; n <= STRANGERS && n <= t->next; n++) {
        P line = t->strangers[(t->next - n) & (STRANGERS - 1)];
        if (line <= p) return line == p;
    }
    return 0;
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
