/*
 * interrupt.h: Ctrl-C, SIGTERM and a lost terminal, as a flag that every wait looks at: a command ends
 * at a place where it can say what it left behind.
 */
#ifndef OPERATE_INTERRUPT_H
#define OPERATE_INTERRUPT_H

#include <stdbool.h>

void interrupt_catch(void);
/*
 * From now on Ctrl-C and SIGTERM only set the flag, however often they come, and the loss of the terminal
 * and Ctrl-Z do not even that: for what must not end, or stop, halfway.
 */
void interrupt_keep(void);
/* The form that kv_wait.h asks for; arg is not used. */
bool interrupt_is_pending(void *arg);

#endif
