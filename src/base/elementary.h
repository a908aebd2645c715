/* exp and log in double precision, to a unit or two in the last place. The C library's are as
 * exact, but bring tables that would be an eighth of the module, and differ from machine to machine
 * in the last place: a seed is to give the same parameters everywhere. */
#ifndef DK_ELEMENTARY_H
#define DK_ELEMENTARY_H

double exponential(double x); /* 0 below -708, infinity from 709.4 on */
double logarithm(double x);   /* x from 2^-1022 to 2^1022 */

#endif
