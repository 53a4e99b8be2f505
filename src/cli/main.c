/* cli/main.c - finds the subcommand and runs it. */
#include <stdio.h>

int main(void)
{
    fputs("postern: no subcommand yet\n", stderr);
    return 2;
}
