// OUT/report.json: what an export did, for machines and for looking things up later.
#ifndef ETCH_EXPORT_REPORT_H
#define ETCH_EXPORT_REPORT_H

#include "export/export.h"

etch_status *etch_report_write(const etch_job *job, const etch_progress *progress, const etch_export_report *r) ETCH_MUST_USE;

#endif
