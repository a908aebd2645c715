/* exp and log in double precision, within one or two units in the last place. The C library is as exact, but
 * its tables would be an eighth of the module. Its last digit also differs from machine to machine, and a
 * seed must give the same parameters everywhere. */
#ifndef DK_ELEMENTARY_H
#define DK_ELEMENTARY_H

double exponential(double x); /* 0 below -708, infinity from 709.4 on */
double logarithm(double x);   /* x from 2^-1022 to 2^1022 */

#endif
