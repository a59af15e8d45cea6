/* 64-bit hashes, keyed per process since logs are hostile, of all that decides an event's fingerprint. */
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

