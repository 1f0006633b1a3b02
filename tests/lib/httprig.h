/* An HTTP client over a simulated network in virtual time, and what its tests share: a script that
 * answers, a record of what was asked, and a caller that gathers what it is given. */
#ifndef DV_TESTS_HTTPRIG_H
#define DV_TESTS_HTTPRIG_H

#include "http/http.h"
#include "lib/simnet.h"
#include "lib/simworld.h"

struct rig_ask {
    char method[16], url[300], auth[200], cookie[200], own[100], body[200];
    int64_t at_ms;
};

extern struct dv_world *rig_world;
extern struct dv_transport *rig_net;
extern struct dv_http *rig_http;
extern struct rig_ask rig_asked[500];
extern int rig_n_asked;
extern simnet_handler *rig_script; /* answers; tests set it */

struct rig_got {
    struct dv_buf body;
    int status, code, done, headers;
    struct dv_err err;
    char etag[50];
    int pause_every; /* pause after each n-th piece */
    int pieces;
    struct dv_http_request *request;
    struct dv_timer timer;
    int tries;
    size_t upload_at, upload_size;
    bool can_rewind;
    size_t largest_piece;
};

extern const struct dv_http_callbacks rig_callbacks;
extern const struct dv_http_callbacks rig_once_callbacks; /* without rewind */

/* The network's handler: notes what was asked and runs the script. */
void rig_handle(void *arg, const struct simnet_request *q, struct simnet_answer *a);
void rig_setup(void);
void rig_teardown(void);
struct dv_http_endpoint *rig_endpoint(const struct dv_http_endpoint_options *opt);
struct dv_http_endpoint *rig_plain(void); /* http://h:5984/db/ */
struct dv_http_send rig_get(struct dv_http_endpoint *ep, const char *path, struct rig_got *g);
void rig_send_and_run(struct dv_http_send *s, struct rig_got *g);
void rig_end(struct rig_got *g, struct dv_http_endpoint *ep);

/* Scripts: "hello" with an ETag; the same after failures_left failures of the kind set here. */
void rig_fine(void *arg, const struct simnet_request *q, struct simnet_answer *a);
void rig_fail_then_fine(void *arg, const struct simnet_request *q, struct simnet_answer *a);
extern int rig_failures_left;
extern enum simnet_fault rig_failure;
extern int rig_failure_status;
extern const char *rig_failure_header;

#endif
