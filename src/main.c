/* The program: hands argv to the command table of src/cli, nothing else. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return dv_cli_main(argc, argv);
}
