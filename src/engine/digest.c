/* EVP contexts; see digest.h. `struct dv_digest` is never defined: it stands for EVP_MD_CTX. */
#include "engine/digest.h"

#include <openssl/evp.h>
#include <pthread.h>

static EVP_MD *algorithms[2]; /* for the life of the process */
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    algorithms[DV_DIGEST_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
    algorithms[DV_DIGEST_MD5] = EVP_MD_fetch(NULL, "MD5", NULL);
}

static EVP_MD_CTX *context(struct dv_digest *d)
{
    return (EVP_MD_CTX *)d;
}

int dv_digest_new(enum dv_digest_kind kind, struct dv_digest **d, struct dv_err *err)
{
    EVP_MD_CTX *c;

    pthread_once(&fetch_once, fetch);
    if (!algorithms[kind])
        return dv_err_set(err, DV_ENOTSUP, "libcrypto has no %s",
                          kind == DV_DIGEST_MD5 ? "MD5" : "SHA-256");
    c = EVP_MD_CTX_new();
    if (!c || !EVP_DigestInit_ex2(c, algorithms[kind], NULL)) {
        EVP_MD_CTX_free(c);
        return dv_err_set(err, DV_ENOMEM, "no memory for a digest");
    }
    *d = (struct dv_digest *)c;
    return 0;
}

void dv_digest_free(struct dv_digest *d)
{
    EVP_MD_CTX_free(context(d));
}

int dv_digest_add(struct dv_digest *d, struct dv_slice bytes, struct dv_err *err)
{
    if (!EVP_DigestUpdate(context(d), bytes.p, bytes.n))
        return dv_err_set(err, DV_ESYS, "libcrypto failed to digest %zu bytes", bytes.n);
    return 0;
}

int dv_digest_end(struct dv_digest *d, unsigned char *out, struct dv_err *err)
{
    if (!EVP_DigestFinal_ex(context(d), out, NULL))
        return dv_err_set(err, DV_ESYS, "libcrypto failed to end a digest");
    return 0;
}
