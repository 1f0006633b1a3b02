/* A simulated network below the HTTP client: requests go to a handler of the test, answers come
 * back in pieces, in virtual time, with the faults the handler asks for. */
#ifndef DV_TESTS_SIMNET_H
#define DV_TESTS_SIMNET_H

#include "base/buf.h"
#include "http/transport.h"

struct simnet_request {
    const char *method, *url;
    const char *const *headers; /* "Name: value", NULL at the end */
    struct dv_slice body;
};

enum simnet_fault {
    SIMNET_FINE,
    SIMNET_REFUSED,   /* no connection */
    SIMNET_DROPPED,   /* cut before any answer */
    SIMNET_CUT,       /* cut after cut_at bytes of the body */
    SIMNET_SILENT,    /* accepted, never answered */
    SIMNET_STALLED,   /* silent after cut_at bytes of the body */
    SIMNET_UNTRUSTED, /* TLS */
};

struct simnet_answer {
    int status;
    struct dv_buf headers; /* "Name: value\n" lines; init and fini are simnet's */
    struct dv_buf body;
    enum simnet_fault fault;
    size_t cut_at;
    int64_t latency_ms;
    size_t piece_bytes; /* 0: 1 000 */
};

typedef void simnet_handler(void *arg, const struct simnet_request *q, struct simnet_answer *a);

struct dv_transport *simnet_new(struct dv_world *w, simnet_handler *fn, void *arg);
/* The header's value, or NULL. */
const char *simnet_header(const struct simnet_request *q, const char *name);
/* Attempts on the wire now, and the most there ever were. */
unsigned simnet_active(struct dv_transport *t);
unsigned simnet_peak(struct dv_transport *t);

#endif
