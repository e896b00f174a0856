// OUT/report.json: what an export did, for machines and for looking things up later.
#ifndef ETCH_EXPORT_REPORT_H
#define ETCH_EXPORT_REPORT_H

#include <jansson.h>

#include "export/export.h"

// The lines of a text as a JSON array of strings.
json_t *etch_report_lines(etch_str s);
// What was emitted, or would be: sizes in bytes, and counts.
json_t *etch_report_program(const etch_emit_report *e);
etch_status *etch_report_write(const etch_job *job, const etch_progress *progress, const etch_export_report *r) ETCH_MUST_USE;

#endif
