// Checks of one execution plan, private to pte/.
#ifndef ETCH_PTE_PLAN_H
#define ETCH_PTE_PLAN_H

#include "pte/pte.h"

etch_status *etch_pte__check_plan(const etch_pte *p, etch_fb_table plan) ETCH_MUST_USE;

#endif
