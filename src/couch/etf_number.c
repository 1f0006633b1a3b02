/* JSON numbers as Erlang terms, with the steps of CouchDB 3.5's JSON decoder, since the last bit of
 * a double is in the revision id. */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "couch/etf.h"

enum {
    SHORT_NUMBER = 32, /* the decoder's own buffer; longer ones take its slow way */
    CHUNK_DIGITS = 9,
    SMALL_BIG = 110,
    LARGE_BIG = 111,
    INT64_DIGITS = 18, /* any integer of as many digits fits */
};

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* strtod, whatever the process's locale takes for a decimal point. */
static double read_double(const char *text)
{
    pthread_once(&c_locale_once, make_c_locale);
    return c_locale ? strtod_l(text, NULL, c_locale) : strtod(text, NULL);
}

/* "5e-324" without a fraction: as the integer times the power of ten, each as a double. So
 * where the power is 0.0 the product is too. */
static double multiply(char *text, char *exponent)
{
    char power[16];
    double mantissa;
    long e = strtol(exponent + 1, NULL, 10); /* saturates */

    *exponent = '\0';
    mantissa = read_double(text);
    if (e > 400)
        e = 400; /* any is infinite, */
    if (e < -400)
        e = -400; /* any is 0.0 */
    snprintf(power, sizeof(power), "1e%ld", e);
    return mantissa * read_double(power);
}

/* text is terminated. Infinite: out of range. */
static double decode_double(char *text, size_t n)
{
    char *exponent = strpbrk(text, "eE");
    double v;

    errno = 0;
    v = read_double(text);
    if (n < SHORT_NUMBER && errno != ERANGE)
        return v;
    return strchr(text, '.') || !exponent ? v : multiply(text, exponent);
}

static int put_double(struct dv_buf *b, struct dv_slice text, struct dv_err *err)
{
    char small[128];
    char *copy = text.n < sizeof(small) ? small : dv_malloc(text.n + 1);
    double v;

    if (!copy)
        return dv_err_set(err, DV_ENOMEM, "out of memory for a number");
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    v = decode_double(copy, text.n);
    if (copy != small)
        dv_free(copy);
    if (!isfinite(v))
        return dv_err_set(err, DV_EUTF8, "invalid UTF-8 JSON");
    return dv_etf_float(b, v);
}

/* limbs = limbs * factor + more; returns the new number of limbs. */
static size_t multiply_add(uint32_t *limbs, size_t n, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;

    for (size_t i = 0; i < n; i++) {
        carry += (uint64_t)limbs[i] * factor;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry)
        limbs[n++] = (uint32_t)carry;
    return n;
}

static int put_limbs(struct dv_buf *b, const uint32_t *limbs, size_t n, bool negative)
{
    size_t bytes = n * 4;

    while (bytes > 0 && !(limbs[(bytes - 1) / 4] >> (bytes - 1) % 4 * 8 & 0xff))
        bytes--;
    if (bytes <= 255) {
        dv_buf_add_char(b, SMALL_BIG);
    } else {
        dv_buf_add_char(b, LARGE_BIG);
        for (int shift = 24; shift > 0; shift -= 8)
            dv_buf_add_char(b, (char)(bytes >> shift & 0xff));
    }
    dv_buf_add_char(b, (char)(bytes & 0xff));
    dv_buf_add_char(b, negative);
    for (size_t i = 0; i < bytes; i++)
        dv_buf_add_char(b, (char)(limbs[i / 4] >> i % 4 * 8 & 0xff));
    return b->failed;
}

static int put_big_integer(struct dv_buf *b, struct dv_slice digits, bool negative)
{
    uint32_t *limbs = dv_calloc(digits.n / CHUNK_DIGITS + 2, sizeof(*limbs));
    size_t n = 0, first = digits.n % CHUNK_DIGITS;
    uint32_t chunk = 0, factor = 1;
    int rc;

    if (!limbs)
        return DV_ENOMEM;
    for (size_t i = 0; i < digits.n; i++) {
        chunk = chunk * 10 + (uint32_t)(digits.p[i] - '0');
        factor *= 10;
        if ((i + 1) % CHUNK_DIGITS == first) {
            n = multiply_add(limbs, n, factor, chunk);
            chunk = 0;
            factor = 1;
        }
    }
    if (n <= 2) /* may still be one that has a shorter form */
        rc = negative && limbs[1] <= INT32_MAX
                 ? dv_etf_int(b, -(int64_t)((uint64_t)limbs[1] << 32 | limbs[0]))
             : negative ? put_limbs(b, limbs, n, true)
                        : dv_etf_uint(b, (uint64_t)limbs[1] << 32 | limbs[0]);
    else
        rc = put_limbs(b, limbs, n, negative);
    dv_free(limbs);
    return rc;
}

static int put_integer(struct dv_buf *b, struct dv_slice text, struct dv_err *err)
{
    bool negative = text.n > 0 && text.p[0] == '-';
    struct dv_slice digits = dv_slice(text.p + negative, text.n - negative);
    int64_t v = 0;
    int rc;

    if (digits.n > DV_ETF_DIGITS_MAX)
        return dv_err_set(err, DV_ETOOBIG, "a number has more than %d digits", DV_ETF_DIGITS_MAX);
    if (digits.n > INT64_DIGITS) {
        rc = put_big_integer(b, digits, negative);
        return rc == DV_ENOMEM ? dv_err_set(err, rc, "out of memory for a number") : rc;
    }
    for (size_t i = 0; i < digits.n; i++)
        v = v * 10 + (digits.p[i] - '0');
    return dv_etf_int(b, negative ? -v : v);
}

int dv_etf_number(struct dv_buf *b, struct dv_slice text, struct dv_err *err)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '.' || text.p[i] == 'e' || text.p[i] == 'E')
            return put_double(b, text, err);
    return put_integer(b, text, err);
}
