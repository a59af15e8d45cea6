/* What lines of traces look like: grammar.py, compiled. */
static const char HEADER[] = "Traceback (most recent call last)";
static int is_word(int c) { return is_alpha(c) || is_digit(c) || c == '_'; }
static int is_name(int c) { return is_word(c) || c == '$'; }
static int is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static P past_space(P p, P e) { while (p < e && is_space(*p)) p++; return p; }
static P cut(P p, P e) { return e - p > MATCHED ? p + MATCHED : e; }

static int is_at(P p, P e) { /* AT */
    P q = p;
    if (q < e && *q == '\t') while (q < e && *q == '\t') q++;
    else { while (q < e && *q == ' ') q++; if (q - p < 2) return 0; }
    return e - q > 3 && !memcmp(q, "at ", 3) && !is_space(q[3]);
}
static int plain_header(P p, P e) { /* 1 a header and nothing else, -1 one with something behind it, 0 none at the start */
    if (p >= e || *p != 'T' || !starts(p, e, HEADER)) return 0;
    P q = p + sizeof HEADER - 1;
    if (q < e && *q == ':') q++;
    while (q < e && one_of(*q, " \t")) q++;
    return q == e ? 1 : -1;
}
static int is_other(P p, P e) { /* OTHERS */
    return p < e && one_of(*p, "pftg") && (starts(p, e, "panic: ") || starts(p, e, "fatal error: ") || starts(p, e, "thread '") || starts(p, e, "goroutine "));
}

/* The length of an exception's last syllable at q, with a word's end behind it; 0 for none. */
static int syllable(P q, P e) {
    static const struct { char first; const char *text; int len; } ALL[] = {
        {'E', "Error", 5}, {'E', "Exception", 9}, {'T', "Throwable", 9}, {'F', "Failure", 7}, {'F', "Fault", 5}, {'A', "Abort", 5}, {'I', "Interrupt", 9}};
    for (int k = 0; k < 7; k++)
        if (ALL[k].first == *q && e - q >= ALL[k].len && !memcmp(q, ALL[k].text, ALL[k].len) && (e - q == ALL[k].len || !is_word(q[ALL[k].len]))) return ALL[k].len;
    return 0;
}
/* Whether a name from p on has the form of an exception's: a capital first, such a syllable last. */
static int is_exception(P p, P e) {
    if (p >= e || *p < 'A' || *p > 'Z') return 0;
    for (P q = p + 1; q < e && is_name(*q); q++) if (one_of(*q, "ETFAI") && syllable(q, e)) return 1;
    return 0;
}
static int bare_error(P q, P e) { return starts(q, e, "Error") && (q + 5 == e || q[5] == ':'); }
static int says_so(P p, P e) {
    return one_of(*p, "CUE") && (starts(p, e, "Caused by: ") || starts(p, e, "Unhandled exception") || starts(p, e, "Exception in thread") || starts(p, e, "Uncaught"));
}
static int head_match(P p, P e) { /* HEAD.match */
    e = cut(p, e);
    if (p >= e) return 0;
    if (says_so(p, e) || bare_error(p, e)) return 1;
    if ((is_space(*p) || one_of(*p, ":]")) && bare_error(p + 1, e)) return 1;
    for (P q = p;;) {
        if (is_exception(q, e)) return 1;
        if (q >= e || is_digit(*q) || !is_name(*q)) return 0;
        while (q < e && is_name(*q)) q++;
        if (q >= e || !one_of(*q, "./")) return 0;
        q++;
    }
}
static int head_search(P p, P e) { /* HEAD.search */
    e = cut(p, e);
    for (P q = p; q < e; q++) {
        if (!one_of(*q, "ETFAICU")) continue;
        if (says_so(q, e)) return 1;
        if ((q == p || is_space(q[-1]) || one_of(q[-1], ":]")) && bare_error(q, e)) return 1;
        if (q == p || !is_name(q[-1]) || !syllable(q, e)) continue;
        for (P w = q; w > p && is_name(w[-1]); w--) if (w[-1] >= 'A' && w[-1] <= 'Z') return 1;
    }
    return 0;
}
static int is_inner(P p, P e) { /* INNER */
    return p < e && (is_space(*p) || starts(p, e, "Caused by: ") || starts(p, e, "Suppressed: ") || starts(p, e, "Wrapped by: "));
}

static int stack_more(P p, P e) { /* STACK_MORE */
    e = cut(p, e);
    P q = past_space(p, e);
    long in = q - p;
    if (q >= e) return 0;
    switch (*q) {
    case 'a': return in && e - q > 3 && !memcmp(q, "at ", 3) && !is_space(q[3]);
    case '.':
        if (!starts(q, e, "... ") || q + 4 >= e || !is_digit(q[4])) return 0;
        for (q += 4; q < e && is_digit(*q);) q++;
        return starts(q, e, " more") || starts(q, e, " common frames") || starts(q, e, " line matching") || starts(q, e, " lines matching");
    case 'C': if (starts(q, e, "Caused by:")) return 1; break;
    case 'S': if (starts(q, e, "Suppressed:")) return 1; break;
    case 'W': if (starts(q, e, "Wrapped by:")) return 1; break;
    case '-': return starts(q, e, "---> ") || (in && starts(q, e, "--- End of"));
    case '[': return starts(q, e, "[cause]: ") || (in && starts(q, e, "[errors]: "));
    case 'N': if (starts(q, e, "Node.js v") && q + 9 < e && is_digit(q[9])) return 1; break;
    case '}': case ']':
        for (P s = p; s < q; s++) if (*s != ' ') return 0;
        return in <= 3;
    }
    if (!in) return 0;
    P w = q;
    while (w < e && (is_name(*w) || *w == '\'' || *w == '"')) w++;
    return w > q && starts(w, e, ": ");
}

static int go_frame(P p, P e) { /* GO_FRAME */
    e = cut(p, e);
    if (p >= e) return 0;
    P q = p;
    switch (*p) {
    case '\t':
        if (starts(p, e, "\tpanic: ")) return 1;
        if (e - p < 2 || is_space(p[1])) return 0;
        for (q = p + 2; (q = memchr(q, ':', e - q)) != 0; q++) if (q + 1 < e && is_digit(q[1])) return 1;
        return 0;
    case 'c': if (starts(p, e, "created by ")) return 1; break;
    case '[': if (starts(p, e, "[signal ") || starts(p, e, "[recovered]")) return 1; break;
    case 'e': if (starts(p, e, "exit status ")) return 1; break;
    case '.': if (starts(p, e, "...additional")) return 1; break;
    case 'r': if (starts(p, e, "runtime stack:") || starts(p, e, "rax ")) return 1; break;
    case 'g':
        if (!starts(p, e, "goroutine ")) break;
        for (q = p + 10; q < e && is_digit(*q);) q++;
        if (q > p + 10 && q < e && *q == ' ') return 1;
        break;
    }
    for (q = p; q < e && !is_space(*q) && *q != '(';) q++;
    if (q > p && q < e && *q == '(' && e - 1 > q && e[-1] == ')') return 1;
    for (q = p; q < e && !is_space(*q);) q++;
    P w = q;
    while (w < e && *w == ' ') w++;
    if (q == p || w == q || !starts(w, e, "0x") || w + 2 >= e) return 0;
    for (w += 2; w < e && (is_digit(*w) || (*w >= 'a' && *w <= 'f'));) w++;
    return w == e;
}

static int is_raised(P p, P e) { /* Type or Type: message; other shapes are left to segment.py */
    if (p >= e || !(is_alpha(*p) || *p == '_')) return 0;
    P q = p;
    while (q < e && (is_word(*q) || *q == '.')) q++;
    return q == e || (*q == ':' && (q + 1 == e || q[1] == ' '));
}
