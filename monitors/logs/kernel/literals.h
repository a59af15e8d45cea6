/* Many literals found at once with Teddy (four-byte fingerprints, eight buckets, after Hyperscan's and the `memchr`
 * crate's descriptions), with AVX2 where the processor has it, else with a table of byte pairs. */
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

