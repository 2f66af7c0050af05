/* GNU make ends with status 2 whenever a recipe fails, whatever the recipe's own status was. `make run` promises
 * the status of the session, so it loads this object (GNU make manual, "Loading Dynamic Objects") and calls
 * $(exec-shell SCRIPT), which replaces make by a shell that runs SCRIPT. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* gnumake.h's part of it; the header is not installed everywhere. */
typedef char *(*gmk_func_ptr)(const char *name, unsigned int argc, char **argv);
extern void gmk_add_function(const char *name, gmk_func_ptr func, unsigned int min_args, unsigned int max_args,
                             unsigned int flags);

/* GNU make asks for this; MIT is compatible. */
int plugin_is_GPL_compatible;

static char *exec_shell(const char *name, unsigned int argc, char **argv)
{
    sigset_t none;
    (void)argc;
    fflush(NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execl("/bin/sh", "sh", "-c", argv[0], (char *)NULL);
    perror(name);
    _exit(255);
}

int make_exec_gmk_setup(void);
int make_exec_gmk_setup(void)
{
    gmk_add_function("exec-shell", exec_shell, 1, 1, 0);
    return 1;
}
