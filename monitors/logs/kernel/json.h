/* JSON records: json_bytes.py, compiled, and what of a record decides its fingerprint. */
static int json_is_event(P p, P e) {
    static const char *keys[] = {"level\"", "levelname\"", "severity\"", "lvl\"", "log.level\"", "loglevel\"", "status\""};
    static const char *bad[] = {"error", "critical", "fatal", "severe", "err", "crit", "emergency", "alert", "panic", "dpanic"};
    for (P q = p; (q = memchr(q, '"', e - q)) != 0; q++) {
        for (int k = 0; k < 7; k++) {
            if (!starts(q + 1, e, keys[k])) continue;
            P v = q + 1 + strlen(keys[k]);
            while (v < e && one_of(*v, " \t\n\r\f\v")) v++;
            if (v >= e || *v != ':') continue;
            for (v++; v < e && one_of(*v, " \t\n\r\f\v");) v++;
            P from = v; int n = 0;
            if (v < e && *v == '"') {
                for (from = ++v; v < e && n < 12 && is_alpha(*v); v++) n++;
                if (!n || v >= e || *v != '"') continue;
                for (int b = 0; b < 10; b++) {
                    if ((int)strlen(bad[b]) != n) continue;
                    int same = 1;
                    for (int i = 0; i < n; i++) same &= (from[i] | 32) == bad[b][i];
                    if (same) return 1;
                }
                goto marks;
            }
            int value = 0;
            for (; v < e && n < 3 && is_digit(*v); v++, n++) value = value * 10 + *v - '0';
            while (v < e && one_of(*v, " \t\n\r\f\v")) v++;
            if (!n || v >= e || (*v != ',' && *v != '}')) continue;
            if (value >= 50 && value < 100) return 1;
            goto marks;
        }
    }
marks:
    return has(p, e, "Traceback (most recent call last)") || has(p, e, "\"exc_type\"") || has(p, e, "\\n\\tat ") ||
           has(p, e, "\\n    at ") || has(p, e, "\\n   at ") || has(p, e, "goroutine ");
}

/* The end of a JSON value that starts at p; 0 when it is cut. Nested values are skipped by their brackets. */
static P json_value(P p, P e) {
    int depth = 0;
    for (; p < e; p++) {
        if (*p == '"') {
            for (p++; p < e && *p != '"'; p++) if (*p == '\\') p++;
            if (p >= e) return 0;
            if (!depth) return p + 1;
        } else if (*p == '{' || *p == '[') depth++;
        else if (*p == '}' || *p == ']') { if (!depth) return p; if (!--depth) return p + 1; }
        else if (!depth && *p == ',') return p;
    }
    return 0;
}
/* A trace in a JSON string: its lines, split at the escape; frames count as they are, other lines up to a colon. */
static uint64_t hash_escaped(uint64_t h, P p, P e) {
    int frames = 0;
    for (P q = p; q < e;) {
        P n = q;
        while (n + 1 < e && !(n[0] == '\\' && n[1] == 'n')) n++;
        if (n + 1 >= e) n = e;
        int frame = q < n && (*q == ' ' || (n - q > 1 && q[0] == '\\' && q[1] == 't'));
        frames |= frame;
        P to = n;
        if (!frame) {
            to = q + (starts(q, n, "Caused by: ") ? 11 : 0);
            while (to < n && *to != ':') to++;
        }
        h = hash_bytes(h, q, to);
        q = n + 2 > e ? e : n + 2;
    }
    return frames ? h : 0;
}
/* Keys whose text decides what a record is, apart from its digits. */
static int is_named(P p, P e) {
    switch (e - p) {
    case 3: return !memcmp(p, "msg", 3) || !memcmp(p, "lvl", 3);
    case 5: return !memcmp(p, "level", 5) || !memcmp(p, "event", 5);
    case 6: return !memcmp(p, "status", 6);
    case 7: return !memcmp(p, "message", 7);
    case 8: return !memcmp(p, "severity", 8) || !memcmp(p, "loglevel", 8);
    case 9: return !memcmp(p, "levelname", 9) || !memcmp(p, "log.level", 9);
    }
    return 0;
}
/* 0: not to be told without decoding it. */
static uint64_t hash_json(P p, P e) {
    uint64_t h = seed ^ JSON;
    if (has(p, e, "exc_type") || has(p, e, "goroutine ")) return 0;
    int traces = has(p, e, "Traceback (most recent") || has(p, e, "at ");
    if (p >= e || *p++ != '{') return 0;
    for (;;) {
        while (p < e && one_of(*p, " \t,")) p++;
        if (p < e && *p == '}') return h ? h : 1;
        if (p >= e || *p != '"') return 0;
        P key = p + 1, key_end = json_value(p, e);
        if (!key_end) return 0;
        for (p = key_end; p < e && one_of(*p, " \t:");) p++;
        P from = p;
        if (!(p = json_value(from, e))) return 0;
        int trace = traces && p - from > 24 && (has(from, p, "Traceback (most recent") || has(from, p, "\\tat ") || has(from, p, "\\n    at ") || has(from, p, "\\n   at "));
        if (trace && *from != '"') return 0;
        if (trace) { uint64_t t = hash_escaped(mix(h, 'T'), from + 1, p - 1); if (!t) return 0; h = t; }
        else if (is_named(key, key_end - 1)) { if (memchr(from, '\\', p - from)) return 0; h = hash_masked(hash_bytes(h, key, key_end), from, p); }
    }
}
