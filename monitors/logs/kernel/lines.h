/* What one line is: lines.py, compiled. */
static P line_end(P p, P stop) { P e = memchr(p, '\n', stop - p); return e ? e : stop; }
static P chomp(P p, P e) { while (e > p && e[-1] == '\r') e--; return e; }
INLINE int starts(P p, P e, const char *text) { size_t n = strlen(text); return (size_t)(e - p) >= n && !memcmp(p, text, n); }

enum { NO_LEVEL, GOOD, BAD };
typedef struct { const char *word; int len, common, bad; } Level;
static const Level LEVELS[] = {
    {"error", 5, 1, 1}, {"critical", 8, 1, 1}, {"fatal", 5, 1, 1}, {"severe", 6, 1, 1}, {"debug", 5, 1, 0},
    {"info", 4, 1, 0}, {"notice", 6, 1, 0}, {"warn", 4, 1, 0}, {"warning", 7, 1, 0}, {"trace", 5, 1, 0},
    {"err", 3, 0, 1}, {"crit", 4, 0, 1}, {"emerg", 5, 0, 1}, {"alert", 5, 0, 1}, {"panic", 5, 0, 1},
    {"verbose", 7, 0, 0}, {"fine", 4, 0, 0}, {"config", 6, 0, 0}, {0, 0, 0, 0}};

static const Level *level_word(P p, int n) {
    char low[9];
    if (n < 3 || n > 8 || !strchr("ecfsdinwtapv", *p | 32)) return 0;
    for (int i = 0; i < n; i++) low[i] = (char)(p[i] | 32);
    for (const Level *l = LEVELS; l->word; l++) if (l->len == n && !memcmp(l->word, low, n)) return l;
    return 0;
}
INLINE int one_of(int c, const char *set) { for (; *set; set++) if (c == *set) return 1; return 0; }

static int behind_key(P head, P word) {
    static const char *keys[] = {"level", "lvl", "severity", "levelname", "loglevel"};
    P at = word - 1;
    if (*at == '"' || *at == '\'') at--;
    if (at < head || *at != '=') return 0;
    P from = at - head > 9 ? at - 9 : head;
    for (int k = 0; k < 5; k++) {
        int n = (int)strlen(keys[k]);
        if (at - from < n) continue;
        int same = 1;
        for (int i = 0; i < n; i++) { int c = at[i - n]; if (c >= 'A' && c <= 'Z') c |= 32; same &= c == keys[k][i]; }
        if (!same) continue;
        P rest = at - n;
        return rest == from || !(is_alpha(rest[-1]) || is_digit(rest[-1]) || rest[-1] == '_');
    }
    return 0;
}
static int only_stamp(P p, P e) {
    int digits = 0;
    while (p < e) {
        if (starts(p, e, "UTC")) { p += 3; continue; }
        if (*p == 'T' || *p == 'Z') { p++; continue; }
        if (is_digit(*p)) digits = 1;
        else if (is_alpha(*p) || *p == '_' || *p >= 0x80) return 0;
        p++;
    }
    return digits;
}
static int is_level(P head, P start, P end, P stop, const Level *l) {
    int before = start > head ? start[-1] : -1, after = end < stop ? *end : -1;
    if (one_of(before, "[(<|") && one_of(after, "])>|:")) return 1;
    if (before == '=' || before == '"' || before == '\'') return behind_key(head, start);
    if (!l->common) return 0;
    int upper = 1;
    for (P p = start; p < end; p++) upper &= *p >= 'A' && *p <= 'Z';
    if (upper) return (before < 0 || one_of(before, " \t[(<|")) && (after < 0 || one_of(after, " \t,])>|:"));
    if (!one_of(after, ": \t") || (before >= 0 && !one_of(before, " \t"))) return 0;
    return (after == ':' && start == head) || (start > head && only_stamp(head, start));
}
static int is_klog(P p, P e) {
    return e - p >= 14 && one_of(*p, "IWEF") && is_digit(p[1]) && is_digit(p[2]) && is_digit(p[3]) && is_digit(p[4]) &&
           p[5] == ' ' && is_digit(p[6]) && is_digit(p[7]) && p[8] == ':' && is_digit(p[9]) && is_digit(p[10]) &&
           p[11] == ':' && is_digit(p[12]) && is_digit(p[13]);
}
static int priority(P p, P e) {
    int n = 0, v = 0;
    if (p >= e || *p != '<') return -1;
    for (p++; p < e && n < 3 && is_digit(*p); p++, n++) v = v * 10 + *p - '0';
    return n && p < e && *p == '>' ? v : -1;
}
static int level_in(P p, P e) {
    if (is_klog(p, e)) return *p == 'E' || *p == 'F' ? BAD : GOOD;
    int pri = priority(p, e);
    if (pri >= 0 && pri <= 191) return pri % 8 <= 3 ? BAD : GOOD;
    P stop = e - p > WINDOW ? p + WINDOW : e;
    for (P q = p; q < stop;) {
        if (!is_alpha(*q)) { q++; continue; }
        P from = q;
        while (q < stop && is_alpha(*q)) q++;
        const Level *l = level_word(from, (int)(q - from > 9 ? 9 : q - from));
        if (l && is_level(p, from, q, stop, l)) return l->bad ? BAD : GOOD;
    }
    return NO_LEVEL;
}
static int digits(P p, P e, const char *shape) { /* 0 stands for a digit, - for - or /, T for T or space */
    for (; *shape; shape++, p++) {
        if (p >= e) return 0;
        if (*shape == '0') { if (!is_digit(*p)) return 0; }
        else if (*shape == '-') { if (*p != '-' && *p != '/') return 0; }
        else if (*shape == 'T') { if (*p != 'T' && *p != ' ') return 0; }
        else if (*p != (unsigned char)*shape) return 0;
    }
    return 1;
}
static int is_address(P p, P e) {
    for (int part = 0; part < 4; part++) {
        int n = 0;
        while (p < e && n < 3 && is_digit(*p)) { p++; n++; }
        if (!n || p >= e || *p != (part < 3 ? '.' : ' ')) return 0;
        p++;
    }
    return 1;
}
static int starts_record(P p, P e) {
    if (p >= e || *p == ' ' || *p == '\t' || starts(p, e, "Error:")) return 0;
    if (*p == '{') return 1;
    P q = *p == '[' || *p == '(' ? p + 1 : p;
    if (digits(q, e, "0000-00-00T") || digits(q, e, "00:00:00")) return 1;
    if (e - p >= 16 && p[0] >= 'A' && p[0] <= 'Z' && p[1] >= 'a' && p[1] <= 'z' && p[2] >= 'a' && p[2] <= 'z' && p[3] == ' ' &&
        (p[4] == ' ' || is_digit(p[4])) && digits(p + 5, e, "0 00:00:00 ")) return 1;
    return is_address(p, e) || is_klog(p, e) || priority(p, e) >= 0 || level_in(p, e - p > 64 ? p + 64 : e) != NO_LEVEL;
}

