/* lab/lab_zone.h - what the zone lab.test says of each server of the lab. */
#pragma once

#include "base/compiler.h"
#include "base/error.h"
#include "lab/lab_server.h"
#include "lab/zone.h"

/* After the server's address is known; before zone_sign. */
MUST_CHECK bool lab_zone_add(struct zone *zone, const struct lab_server *server, struct error *err);
