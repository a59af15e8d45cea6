/* The common cases of segment.py, compiled: lines, JSON records, Python traces and "at" stacks that lie whole and
 * undisturbed in a buffer. Whatever is not sure to be one of these is handed back, position and all, to segment.py,
 * which is the specification; a property test holds the two together.
 *
 * Literals are found with Teddy (three-byte fingerprints, eight buckets, after Hyperscan's and the `memchr` crate's
 * descriptions), with AVX2 where the processor has it, else with a table of byte pairs. Events carry a 64-bit hash,
 * keyed per process since logs are hostile, of all that decides their fingerprint; equal hashes, equal fingerprints. */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_AVX2 1
#include <immintrin.h>
#endif

typedef const unsigned char *P;
enum { PYTHON, STACK, GO, RUST, RUBY, PHP, JSON, LINE };
enum { END, HAND, MORE, NEWS };
#define WINDOW 200
#define MAX_BYTES (256 << 10)
#define MATCHED 2000
#define LOOK_AHEAD 12 /* writers.py */
#define MAX_LITERALS 64

/* ------------------------------------------------------------ literals */

typedef struct { unsigned char text[40]; int len; int bucket; } Literal;
typedef struct {
    Literal literals[MAX_LITERALS];
    int count;
    int sorted[MAX_LITERALS], first[9]; /* the literals by bucket */
    unsigned char lo[4][16], hi[4][16];
    unsigned char pairs[65536 / 8];
} Filter;
static Filter filters[3]; /* traces; traces and levels; what foreign() looks for */

static int add_literals(Filter *f, PyObject *words) {
    Py_ssize_t n = PySequence_Size(words);
    static const char *groups[8] = {"eE", "cC", "fF:", "\"", " \t\\", "\n", "sST", ""};
    memset(f, 0, sizeof *f);
    if (n < 0 || n > MAX_LITERALS) { PyErr_SetString(PyExc_ValueError, "too many literals"); return -1; }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *word = PySequence_GetItem(words, i);
        char *text; Py_ssize_t len;
        if (!word || PyBytes_AsStringAndSize(word, &text, &len) < 0 || len < 2 || len > 40) {
            Py_XDECREF(word);
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a literal has 2 to 40 bytes");
            return -1;
        }
        Literal *l = &f->literals[f->count++];
        memcpy(l->text, text, len); l->len = (int)len; l->bucket = 7;
        for (int g = 0; g < 7; g++) if (strchr(groups[g], text[0])) l->bucket = g;
        for (int k = 0; k < 4; k++) for (int b = 0; b < 256; b++)
            if (k >= len || (unsigned char)text[k] == b) {
                f->lo[k][b & 15] |= 1 << l->bucket; f->hi[k][b >> 4] |= 1 << l->bucket;
            }
        unsigned pair = (unsigned char)text[0] | (unsigned)(unsigned char)text[1] << 8;
        f->pairs[pair >> 3] |= 1 << (pair & 7);
        Py_DECREF(word);
    }
    for (int b = 0, n = 0; b <= 8; b++) {
        f->first[b] = n;
        for (int i = 0; i < f->count; i++) if (f->literals[i].bucket == b) f->sorted[n++] = i;
    }
    return 0;
}

static int verify(const Filter *f, P p, P stop, unsigned buckets) {
    for (; buckets; buckets &= buckets - 1) {
        int b = __builtin_ctz(buckets);
        for (int i = f->first[b]; i < f->first[b + 1]; i++) {
            const Literal *l = &f->literals[f->sorted[i]];
            if (p[0] == l->text[0] && p[1] == l->text[1] && stop - p >= l->len && !memcmp(p, l->text, l->len)) return l->len;
        }
    }
    return 0;
}

/* The last byte of the first literal at or after p; stop when there is none. */
static P next_plain(const Filter *f, P p, P stop) {
    for (; p + 1 < stop; p++) {
        unsigned pair = p[0] | (unsigned)p[1] << 8;
        if (f->pairs[pair >> 3] >> (pair & 7) & 1) { int n = verify(f, p, stop, 0xff); if (n) return p + n - 1; }
    }
    return stop;
}

#ifdef HAVE_AVX2
__attribute__((target("avx2"))) static P next_avx2(const Filter *f, P p, P stop) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i lo[4], hi[4];
    for (int k = 0; k < 4; k++) {
        lo[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)f->lo[k]));
        hi[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)f->hi[k]));
    }
    for (; stop - p >= 35; p += 32) {
        __m256i all = _mm256_set1_epi8(-1);
        for (int k = 0; k < 4; k++) {
            __m256i v = _mm256_loadu_si256((const __m256i *)(p + k));
            __m256i a = _mm256_shuffle_epi8(lo[k], _mm256_and_si256(v, low));
            __m256i b = _mm256_shuffle_epi8(hi[k], _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
            all = _mm256_and_si256(all, _mm256_and_si256(a, b));
        }
        unsigned none = _mm256_movemask_epi8(_mm256_cmpeq_epi8(all, _mm256_setzero_si256()));
        if (none != 0xffffffffu) {
            unsigned char buckets[32];
            _mm256_storeu_si256((__m256i *)buckets, all);
            for (unsigned some = ~none; some; some &= some - 1) {
                int at = __builtin_ctz(some), n = verify(f, p + at, stop, buckets[at]);
                if (n) return p + at + n - 1;
            }
        }
    }
    return next_plain(f, p, stop);
}
static int avx2 = -1;
static P next_hit(const Filter *f, P p, P stop) {
    if (avx2 < 0) avx2 = __builtin_cpu_supports("avx2") != 0;
    return avx2 ? next_avx2(f, p, stop) : next_plain(f, p, stop);
}
#else
static P next_hit(const Filter *f, P p, P stop) { return next_plain(f, p, stop); }
#endif

/* ------------------------------------------------------------ hashing */

static uint64_t seed;
static uint64_t mix(uint64_t h, uint64_t v) {
    h ^= v; h *= 0x9FB21C651E98DF25ULL; h ^= h >> 29; h *= 0xD6E8FEB86659FD93ULL; return h ^ h >> 32;
}
static uint64_t hash_bytes(uint64_t h, P p, P end) {
    uint64_t v, key = seed | 1;
    h = mix(h, (uint64_t)(end - p) ^ seed);
    for (; end - p >= 8; p += 8) { memcpy(&v, p, 8); h = mix(h ^ key, v + seed); }
    v = 0; memcpy(&v, p, end - p);
    return mix(h ^ key, v + seed);
}
static int is_digit(int c) { return c >= '0' && c <= '9'; }
static int is_alpha(int c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }
static const char SEPARATORS[] = " \t\r\n\v\f=:,;()[]{}'\"\x1c\x1d\x1e\x1f";
static unsigned char separator[256];

static int has(P p, P end, const char *text) {
    return end > p && memmem(p, end - p, text, strlen(text)) != 0;
}

/* Every token that holds a digit counts as one; a long line's tokens count with their length, as what is cut off
 * depends on it. Exceptions' names and bytes beyond ASCII count as they are. */
static uint64_t hash_masked(uint64_t h, P p, P end) {
    const uint64_t k = (seed | 1) * 0x9FB21C651E98DF25ULL;
    int lengths = end - p > WINDOW;
    if (end - p > 1024) end = p + 1024;
    h = mix(h, seed);
    while (p < end) {
        if (separator[*p]) { h = (h ^ *p++) * k; h ^= h >> 29; continue; }
        P from = p; uint64_t g = h; int digit = 0, wide = 0, named = 0;
        for (; p < end && !separator[*p]; p++) {
            digit |= is_digit(*p); wide |= *p >= 0x80; named |= *p == 'E';
            g = (g ^ *p) * k; g ^= g >> 29;
        }
        if (digit && !wide && !(named && (has(from, p, "Exception") || has(from, p, "Error")))) h = mix(h, '#');
        else h = g;
        if (lengths) h = mix(h, (uint64_t)(p - from));
    }
    return mix(h, k);
}

/* ------------------------------------------------------------ lines (lines.py) */

static P line_end(P p, P stop) { P e = memchr(p, '\n', stop - p); return e ? e : stop; }
static P chomp(P p, P e) { while (e > p && e[-1] == '\r') e--; return e; }
static int starts(P p, P e, const char *text) { size_t n = strlen(text); return (size_t)(e - p) >= n && !memcmp(p, text, n); }

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
static int one_of(int c, const char *set) { return c > 0 && strchr(set, c) != 0; }

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

/* ------------------------------------------------------------ JSON (json_bytes.py) */

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
/* 0: not to be told without decoding it. */
static uint64_t hash_json(P p, P e) {
    static const char *message[] = {"event", "message", "msg", "level", "levelname", "severity", "lvl", "log.level", "loglevel", "status"};
    uint64_t h = seed ^ JSON;
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
        int named = 0;
        for (int k = 0; k < 10; k++) named |= (size_t)(key_end - 1 - key) == strlen(message[k]) && !memcmp(key, message[k], key_end - 1 - key);
        int trace = p - from > 24 && (has(from, p, "Traceback (most recent") || has(from, p, "\\tat ") || has(from, p, "\\n    at ") || has(from, p, "\\n   at "));
        if (has(from, p, "exc_type") || has(from, p, "goroutine ") || (trace && *from != '"')) return 0;
        if (trace) { uint64_t t = hash_escaped(mix(h, 'T'), from + 1, p - 1); if (!t) return 0; h = t; }
        else if (named) { if (memchr(from, '\\', p - from)) return 0; h = hash_masked(hash_bytes(h, key, key_end), from, p); }
    }
}

/* ------------------------------------------------------------ traces */

static const char HEADER[] = "Traceback (most recent call last)";
static int is_name(int c) { return is_alpha(c) || is_digit(c) || c == '_' || c == '$'; }

static int is_at(P p, P e) { /* (?:\t+| {2,})at \S */
    P q = p;
    if (q < e && *q == '\t') while (q < e && *q == '\t') q++;
    else { while (q < e && *q == ' ') q++; if (q - p < 2) return 0; }
    return e - q > 3 && !memcmp(q, "at ", 3) && !one_of(q[3], " \t\v\f\r\n");
}
static int header_at(P p, P e) { /* 1 a header and nothing else, 0 none, -1 one with something before or behind it */
    if (starts(p, e, HEADER)) {
        P q = p + sizeof HEADER - 1;
        if (q < e && *q == ':') q++;
        while (q < e && one_of(*q, " \t")) q++;
        return q == e ? 1 : -1;
    }
    return has(p, e, HEADER) ? -1 : 0;
}

/* ------------------------------------------------------------ the scan */

typedef struct {
    P buffer, floor, stop;
    int final, errors, line_bytes;
    P *foreign; /* the next line that is one of foreign()'s, as far as is known */
} Text;

typedef struct { int kind; P start, end; uint64_t hash; int status, ended; } Event;

static P before(const Text *t, P at) { /* the start of the line before; 0 when that one is spoken for */
    if (at <= t->floor) return 0;
    P p = at - 1;
    while (p > t->floor && p[-1] != '\n') p--;
    return p;
}
static Event hand(P at) { Event e = {0, at, at, 0, HAND, 0}; return e; }
static Event more(P at, int ended) { Event e = {0, at, at, 0, MORE, ended}; return e; }

static uint64_t hash_block(int kind, P p, P end, int record, int frames) {
    uint64_t h = seed ^ (uint64_t)kind;
    for (int first = 1; p < end; first = 0) {
        P e = line_end(p, end), to = chomp(p, e);
        if (first && record) h = mix(h, 1); /* the record's level is the caller's to add, its text decides nothing */
        else if (p < to && (*p == ' ' || *p == '\t')) h = hash_bytes(h, p, to);
        else if (!frames || starts_record(p, to)) h = hash_masked(h, p, to);
        else {
            P q = p + (starts(p, to, "Caused by: ") ? 11 : 0);
            P colon = memchr(q, ':', to - q);
            h = hash_bytes(h, p, colon ? colon : to);
        }
        p = e < end ? e + 1 : end;
    }
    return h ? h : 1;
}

/* Level words differ in severity, so the record before a trace counts with its level token. */
static uint64_t with_level(uint64_t h, P p, P e) {
    P stop = e - p > WINDOW ? p + WINDOW : e;
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

static P record_before(const Text *t, P at) {
    P above = before(t, at);
    if (!above || starts_record(at, chomp(at, line_end(at, t->stop)))) return at;
    P e = chomp(above, at - 1);
    return *above != '{' && starts_record(above, e) && level_in(above, e) == BAD ? above : at;
}

static int is_raised(P p, P e) { /* Type or Type: message; other shapes are left to segment.py */
    if (p >= e || !(is_alpha(*p) || *p == '_')) return 0;
    P q = p;
    while (q < e && (is_name(*q) || *q == '.') && *q != '$') q++;
    return q == e || (*q == ':' && (q + 1 == e || q[1] == ' '));
}

/* A traceback whose header is at `at`, reaching back to `start`. */
static Event python_event(const Text *t, P start, P at, P from) {
    P p = line_end(at, t->stop), e, to;
    int frames = 0;
    for (p = p < t->stop ? p + 1 : p;; p = e < t->stop ? e + 1 : e) {
        if (p >= t->stop) return t->final ? hand(from) : more(start, 0);
        if (p - start >= MAX_BYTES) return hand(from);
        e = line_end(p, t->stop); to = chomp(p, e);
        if (e - p >= t->line_bytes || to == p) return hand(from);
        if (*p != ' ' && *p != '\t') break;
        if (starts(p, to, "  + ") || starts(p, to, "  | ")) return hand(from);
        frames = 1;
    }
    if (!is_raised(p, to) || starts_record(p, to)) return hand(from);
    P end = e < t->stop ? e + 1 : e;
    /* What comes next must be the start of a record, and no chain may follow behind it. */
    P q = end;
    for (int n = 0; n < 5; n++) {
        if (q >= t->stop) { if (t->final) break; return more(start, 1); }
        P f = line_end(q, t->stop), g = chomp(q, f);
        if (g == q || f - q >= t->line_bytes || starts(q, g, "The above exception was") || starts(q, g, "During handling of the")) return hand(from);
        if (!n && !starts_record(q, g)) { if (header_at(q, g)) break; return hand(from); }
        if (header_at(q, g) || n == 2) break;
        q = f < t->stop ? f + 1 : f;
    }
    Event found = {PYTHON, start, end, 0, END, 1};
    found.hash = hash_block(PYTHON, start, end, start < at, frames);
    if (start < at) found.hash = with_level(found.hash, start, chomp(start, line_end(start, t->stop)));
    return found;
}

/* Whether a trace of segment.py's own kind, or one behind a writer's prefix (writers.py), may pass through this line;
 * `own` also counts what needs no prefix. */
static int foreign(P p, P e, int own) {
    if (p < e && one_of(*p, " \t")) return 0;
    for (P q = p; q < e; q++) {
        int found = 0, in = q > p;
        switch (*q) {
        case 'a': found = q - p > 2 && starts(q, e, "at ") && (q[-1] == '\t' || (q[-1] == ' ' && q[-2] == ' ')); break;
        case 'T': found = in && starts(q, e, "Traceback ("); break;
        case 'F': found = (q - p > 2 && starts(q - 2, e, "  File \"")) || (own && starts(q, e, "Fatal error: ")); break;
        case 'p': found = in && (starts(q, e, "panic: ") || starts(q, e, "panicked at")); break;
        case 'g': found = in && starts(q, e, "goroutine "); break;
        case 'f': found = starts(q, e, "from ") && in && one_of(q[-1], " \t"); break;
        case ':': found = starts(q, e, ":in `") || starts(q, e, ":in '"); break;
        case 'S': found = (in || own) && starts(q, e, "Stack trace:"); break;
        case '[': found = (in || own) && starts(q, e, "[stacktrace]"); break;
        case 'P': found = own && starts(q, e, "Parse error: "); break;
        }
        if (found) return 1;
    }
    return 0;
}

/* The first such line at or after p, which only moves forward: the last answer is kept. */
static P next_foreign(const Text *t, P p) {
    if (*t->foreign >= p) return *t->foreign;
    while (p < t->stop) {
        P hit = next_hit(&filters[2], p, t->stop), line = hit;
        if (hit >= t->stop) break;
        while (line > p && line[-1] != '\n') line--;
        P e = line_end(hit, t->stop);
        if (foreign(line, chomp(line, e), 1)) return *t->foreign = line;
        p = e + 1;
    }
    return *t->foreign = t->stop;
}

static int foreign_ahead(const Text *t, P p) {
    P next = next_foreign(t, p);
    for (int n = 0; n < LOOK_AHEAD && p <= next && p < t->stop; n++) {
        if (p == next) return 1;
        p = line_end(p, t->stop) + 1;
        if (next == t->stop) return 0;
    }
    return 0;
}

static int names_exception(P p, P e) { /* a subset of _HEAD: a word that ends like an exception's name */
    if (e - p > MATCHED) e = p + MATCHED;
    static const char *ends[] = {"Exception", "Error", "Throwable"};
    for (P q = p; q < e; q++) {
        if (*q != 'E' && *q != 'T') continue;
        for (int k = 0; k < 3; k++) {
            size_t n = strlen(ends[k]);
            if (!starts(q, e, ends[k]) || (q + n < e && is_name(q[n])) || (q + n < e && q[n] >= 0x80)) continue;
            P w = q;
            while (w > p && is_name(w[-1])) w--;
            if (w < q) while (w < q && !(*w >= 'A' && *w <= 'Z')) w++;
            if (w < q) return 1;
            if (k == 1 && w == q && (q == p || one_of(q[-1], " \t:]")) && (q + n == e || q[n] == ':')) return 1;
        }
    }
    return starts(p, e, "Caused by: ") || starts(p, e, "Exception in thread");
}

/* A stack whose body starts at `body`; `start` is its first line. Only plain frames, "... n more" and causes. */
static Event stack_event(const Text *t, P start, P body, int record, P at) {
    P p = body, e, to;
    for (;; p = e < t->stop ? e + 1 : e) {
        if (p >= t->stop) return t->final ? hand(at) : more(start, 1);
        if (p - start > MAX_BYTES) return hand(at);
        e = line_end(p, t->stop); to = chomp(p, e);
        if (e - p >= t->line_bytes) return hand(at);
        if (is_at(p, to) || starts(p, to, "Caused by: ")) continue;
        if (to > p && (*p == ' ' || *p == '\t')) {
            P q = p;
            while (q < to && (*q == ' ' || *q == '\t')) q++;
            if (starts(q, to, "... ")) { for (q += 4; q < to && is_digit(*q);) q++; if (starts(q, to, " more") || starts(q, to, " common frames")) continue; }
            return hand(at);
        }
        break;
    }
    if (to > p && !starts_record(p, to) && !header_at(p, to)) return hand(at);
    if (to > p && (*p == '}' || *p == ']')) return hand(at);
    P after = p; /* somebody's line may lie within */
    for (int n = 0; n < 2 && to > p && *p != '{'; n++) {
        P f = line_end(after, t->stop);
        after = f < t->stop ? f + 1 : f;
        if (after >= t->stop) { if (!t->final) return hand(at); break; }
        P g = chomp(after, line_end(after, t->stop));
        if (is_at(after, g)) return hand(at);
        if (!starts_record(after, g)) break;
    }
    Event found = {STACK, start, p, 0, END, 1};
    found.hash = hash_block(STACK, start, p, record, 1);
    if (record) found.hash = with_level(found.hash, start, chomp(start, line_end(start, t->stop)));
    return found;
}

/* One goroutine of a panic, as the runtime prints it, up to the start of a record. */
static Event go_event(const Text *t, P at) {
    P p = at, e, to;
    int state = 0; /* 0 message, 1 goroutine awaited, 2 functions and places */
    uint64_t h = seed ^ GO;
    for (int n = 0;; n++, p = e < t->stop ? e + 1 : e) {
        if (p >= t->stop) return t->final || !n ? hand(at) : more(at, state == 2);
        e = line_end(p, t->stop); to = chomp(p, e);
        if (n > 200 || e - p >= t->line_bytes) return hand(at);
        if (!n) { h = hash_masked(h, p, to); continue; }
        if (state == 0) {
            if (to == p) state = 1;
            else if (!starts(p, to, "[signal ")) return hand(at);
        } else if (state == 1) {
            if (!starts(p, to, "goroutine ") || to[-1] != ':') return hand(at);
            state = 2;
        } else if (to == p) return hand(at);
        else if (*p == '\t') {
            P q = p;
            while (q + 3 < to && memcmp(q, " +0x", 4)) q++;
            h = hash_bytes(h, p, q + 3 < to ? q : to);
            if (!memchr(p, ':', to - p)) return hand(at);
        } else if (starts(p, to, "exit status ")) h = mix(h, 2);
        else if (starts_record(p, to)) break;
        else if (to[-1] == ')' && (is_alpha(*p) || *p == '_') && !memchr(p, ' ', to - p)) {
            P q = to;
            while (q > p && q[-1] != '(') q--;
            h = hash_bytes(h, p, q);
        } else return hand(at);
    }
    if (state != 2) return hand(at);
    Event found = {GO, at, p, h ? h : 1, END, 1};
    return found;
}

/* An error record at `at`: alone, or with the trace right behind it. */
static Event record_event(const Text *t, P at) {
    P e = line_end(at, t->stop), next = e < t->stop ? e + 1 : e, to = chomp(at, e);
    if (foreign_ahead(t, next)) return hand(at);
    if (next >= t->stop && !t->final) return more(at, 1);
    P here = next;
    for (int n = 0; n < 4 && here < t->stop; n++) {
        P f = line_end(here, t->stop), g = chomp(here, f);
        if (f - here >= t->line_bytes) return hand(at);
        if (starts_record(here, g)) { if (has(here, g, "Uncaught ")) return hand(at); break; }
        int header = header_at(here, g);
        if (header == 1 && !n) return python_event(t, at, here, at);
        if (header) { if (header < 0 && !starts(here, g, HEADER)) break; return hand(at); }
        if (is_at(here, g)) {
            if (n == 0) return names_exception(at, to) ? stack_event(t, at, here, 0, at) : hand(at);
            P head = before(t, here);
            return n == 1 && names_exception(head, chomp(head, here - 1)) ? stack_event(t, at, here, 1, at) : hand(at);
        }
        if (g == here || starts_record(here, g)) break;
        if (starts(here, g, "panic: ") || starts(here, g, "fatal error: ") || starts(here, g, "goroutine ") || starts(here, g, "thread '")) break;
        if (starts(here, g, "thread <") || has(here, g, "Uncaught ") || has(here, g, "from ")) return hand(at);
        here = f < t->stop ? f + 1 : f;
        if (here >= t->stop && !t->final) return more(at, 1);
        if (n == 3) break;
    }
    Event found = {LINE, at, next, 0, END, 1};
    found.hash = mix(hash_masked(seed ^ LINE, at, to), 1);
    if (!found.hash) found.hash = 1;
    return found;
}

/* What the line at `at` is; kind -1 for nothing. */
static Event event_at(const Text *t, P at) {
    P e = line_end(at, t->stop), to = chomp(at, e);
    Event none = {-1, at, e < t->stop ? e + 1 : e, 0, END, 0};
    if (e - at >= t->line_bytes) return hand(at);
    if (to > at && *at == '{') {
        if (!json_is_event(at, to)) return none;
        Event found = {JSON, at, none.end, hash_json(at, to), END, 1};
        return found;
    }
    if (next_foreign(t, at) == at) return hand(at);
    int header = header_at(at, to);
    if (header == 1) return python_event(t, record_before(t, at), at, at);
    if (header < 0) return hand(at);
    if (is_at(at, to)) {
        P head = before(t, at);
        if (!head || at - head > t->line_bytes) return hand(at);
        P g = chomp(head, at - 1);
        if (g == head || one_of(*head, " \t") || starts(head, g, "Caused by: ") || starts(head, g, "Suppressed: ") || starts(head, g, "Wrapped by: ") ||
            !names_exception(head, g)) return hand(at);
        P start = record_before(t, head);
        return stack_event(t, start, at, start < head, at);
    }
    if (starts(at, to, "panic: ")) return go_event(t, at);
    if (starts(at, to, "fatal error: ") || starts(at, to, "goroutine ") || starts(at, to, "thread ") ||
        starts(at, to, "  File \"") || has(at, to, "Uncaught ")) return hand(at);
    if (to > at && (*at == ' ' || *at == '\t') && has(at, to, "from ")) return hand(at);
    if (t->errors && level_in(at, to) == BAD) return record_event(t, at);
    return none;
}

/* Kinds that are known: counted here, so that a log full of errors makes no objects. */
#define SLOTS (1 << 17)
typedef struct { uint64_t key; Py_ssize_t ident, count, last; } Slot;
typedef struct { int used, touched; int dirty[SLOTS]; Slot slots[SLOTS]; } Known;

static Slot *slot(Known *k, uint64_t key) {
    uint64_t at = key >> 40 & (SLOTS - 1);
    while (k->slots[at].key && k->slots[at].key != key) at = (at + 1) & (SLOTS - 1);
    return &k->slots[at];
}
static void forget(PyObject *capsule) { PyMem_Free(PyCapsule_GetPointer(capsule, "known")); }
static PyObject *known(PyObject *self, PyObject *args) {
    (void)self; (void)args;
    Known *k = PyMem_Calloc(1, sizeof *k);
    if (!k) return PyErr_NoMemory();
    return PyCapsule_New(k, "known", forget);
}
static PyObject *learn(PyObject *self, PyObject *args) {
    PyObject *capsule; unsigned long long key; Py_ssize_t ident;
    (void)self;
    if (!PyArg_ParseTuple(args, "OKn", &capsule, &key, &ident)) return 0;
    Known *k = PyCapsule_GetPointer(capsule, "known");
    if (!k) return 0;
    if (key && k->used < SLOTS / 2) {
        Slot *s = slot(k, key);
        if (!s->key) { k->used++; s->key = key; s->count = 0; }
        s->ident = ident;
    }
    Py_RETURN_NONE;
}
static int count(Known *k, uint64_t key, Py_ssize_t at) {
    if (!k || !key) return 0;
    Slot *s = slot(k, key);
    if (!s->key) return 0;
    if (!s->count++) k->dirty[k->touched++] = (int)(s - k->slots);
    s->last = at;
    return 1;
}
static PyObject *counted(Known *k) { /* [(ident, count, last)] since the last call */
    PyObject *all = PyList_New(0);
    for (int i = 0; all && k && i < k->touched; i++) {
        Slot *s = &k->slots[k->dirty[i]];
        PyObject *one = Py_BuildValue("(nnn)", s->ident, s->count, s->last);
        s->count = 0;
        if (!one || PyList_Append(all, one) < 0) { Py_XDECREF(one); Py_CLEAR(all); break; }
        Py_DECREF(one);
    }
    if (k) k->touched = 0;
    return all;
}

/* scan(buffer, at, floor, stop, final, errors, line_bytes, known) ->
 * (events, status, position, ended, floor, counted) */
static PyObject *scan(PyObject *self, PyObject *args) {
    Py_buffer view; Py_ssize_t at, floor_, stop; int final, errors, line_bytes;
    PyObject *source, *capsule = Py_None;
    Known *k = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "Onnnppi|O", &source, &at, &floor_, &stop, &final, &errors, &line_bytes, &capsule)) return 0;
    if (capsule != Py_None && !(k = PyCapsule_GetPointer(capsule, "known"))) return 0;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0) return 0;
    if (at < 0 || floor_ < 0 || floor_ > stop || at > stop || stop > view.len) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_ValueError, "positions outside the buffer");
        return 0;
    }
    P base = view.buf;
    P foreign_line = 0;
    Text t = {base, base + floor_, base + stop, final, errors, line_bytes, &foreign_line};
    const Filter *f = &filters[errors != 0];
    PyObject *events = PyList_New(0);
    P p = base + at;
    int status = END, ended = 0, first = at == 0 || base[at - 1] == '\n';
    while (events && p < t.stop) {
        P hit = p;
        if (!first) { hit = next_hit(f, p, t.stop); if (hit >= t.stop) break; }
        first = 0;
        P line = memrchr(t.floor, '\n', hit - t.floor);
        line = line ? line + 1 : t.floor;
        if (line < base + at && line < t.floor) { p = hit + 1; continue; }
        Event found = event_at(&t, line);
        if (found.status != END) { status = found.status; ended = found.ended; p = found.start; break; }
        if (found.kind >= 0) {
            if (!count(k, found.hash, found.start - base)) {
                /* one new kind at a time, so that it is learned before the next of its kind comes */
                PyObject *one = Py_BuildValue("(innK)", found.kind, (Py_ssize_t)(found.start - base), (Py_ssize_t)(found.end - base), (unsigned long long)found.hash);
                if (!one || PyList_Append(events, one) < 0) { Py_XDECREF(one); Py_CLEAR(events); break; }
                Py_DECREF(one);
                if (k) { t.floor = p = found.end; status = NEWS; break; }
            }
            t.floor = found.end;
            p = found.end > base ? found.end : p + 1;
            /* literals that begin with a newline are found from the newline */
            first = 1;
        } else p = found.end > hit ? found.end - (found.end > base && found.end < t.stop) : hit + 1;
    }
    PyBuffer_Release(&view);
    if (!events) return 0;
    PyObject *told = counted(k);
    if (!told) { Py_DECREF(events); return 0; }
    return Py_BuildValue("(NininN)", events, status, (Py_ssize_t)(p - base), ended, (Py_ssize_t)(t.floor - base), told);
}

static PyObject *setup(PyObject *self, PyObject *args) {
    PyObject *traces, *all; unsigned long long key;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOK", &traces, &all, &key)) return 0;
    seed = key;
    memset(separator, 0, sizeof separator);
    for (const char *c = SEPARATORS; *c; c++) separator[(unsigned char)*c] = 1;
    PyObject *marks = Py_BuildValue("(yyyyyyyyyyyyyy)", "\tat ", "  at ", "  File \"", "\tfrom ", " from ", "Traceback (", "panic: ",
                                    "panicked at", "Stack trace:", "stacktrace]", "Parse error: ", "Fatal error: ", ":in ", "goroutine ");
    if (!marks) return 0;
    int failed = add_literals(&filters[0], traces) < 0 || add_literals(&filters[1], all) < 0 || add_literals(&filters[2], marks) < 0;
    Py_DECREF(marks);
    if (failed) return 0;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"scan", scan, METH_VARARGS, "scan(buffer, at, floor, stop, final, errors, line_bytes) -> (events, status, position, ended, floor)"},
    {"known", known, METH_NOARGS, "known() -> a table of kinds that scan counts itself"},
    {"learn", learn, METH_VARARGS, "learn(known, key, ident): from now on events with this key are counted for ident"},
    {"setup", setup, METH_VARARGS, "setup(trace_literals, all_literals, key)"},
    {0, 0, 0, 0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernel", "The common cases of segment.py, compiled.", -1, methods, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit__kernel(void) { return PyModule_Create(&module); }
