namespace OrleansPd.Server.Tests.Commands;

public sealed class CommandTreeTests
{
    [Theory]
    [InlineData("--help", "orleanspd COMMAND [options]")]
    [InlineData("demo --help", "orleanspd demo [options]")]
    [InlineData("gateway --help", "--prefill URL [BOOTSTRAP_PORT]")]
    [InlineData("engine --help", "orleanspd engine [options]")]
    [InlineData("bootstrap --help", "orleanspd bootstrap [options]")]
    [InlineData("replay --help", "orleanspd replay [TRACE] [options]")]
    public async Task Help_goes_to_standard_output(string line, string part)
    {
        var bed = new CommandLineTestBed();

        var code = await bed.RunAsync(line.Split(' '));

        Assert.Equal((0, ""), (code, bed.Error));
        Assert.Contains(part, bed.Out);
        Assert.DoesNotContain(bed.Out.Split('\n'), row => row.Length > 130);
        Assert.DoesNotContain('\e', bed.Out);
    }

    [Fact]
    public async Task Help_names_no_flag_that_does_nothing()
    {
        var bed = new CommandLineTestBed();

        await bed.RunAsync("gateway", "--help");

        Assert.DoesNotContain("--oracle", bed.Out);
    }

    [Fact]
    public async Task No_arguments_is_help()
    {
        var bed = new CommandLineTestBed();

        Assert.Equal(0, await bed.RunAsync());
        Assert.Contains("Commands:", bed.Out);
    }

    [Theory]
    [InlineData("serve", "Unrecognized command or argument 'serve'.")]
    [InlineData("gateway --prot 1", "Unrecognized command or argument '--prot'.")]
    [InlineData("gateway --entirely-unknown", "Unrecognized command or argument '--entirely-unknown'.")]
    [InlineData("workers", "give a command: list, add, drain, remove, role.")]
    [InlineData("gateway --prefill --decode http://a:1",
        "--prefill: the engine's URL is missing, such as http://10.0.0.1:30000.")]
    [InlineData("gateway --prefill http://a:1 --decode", "--decode: the engine's URL is missing, such as http://10.0.0.1:30000.")]
    [InlineData("gateway --model-alias", "--model-alias: ALIAS=MODEL is missing.")]
    [InlineData("gateway --port x", "--port: 'x' is not a whole number.")]
    [InlineData("replay --speed -1", "--speed: '-1' is not a number from 0.")]
    [InlineData("replay --concurrency 0", "--concurrency: '0' is not a whole number from 1 to 100000.")]
    [InlineData("replay --url nowhere", "--url: 'nowhere' is not a URL such as http://localhost:30000.")]
    [InlineData("replay --endpoint embed", "--endpoint: 'embed' is none of generate, chat, completions.")]
    [InlineData("replay --verify --endpoint chat",
        "--verify: only answers of /generate to token ids can be compared; leave --endpoint and --text out.")]
    [InlineData("replay no-such-file", "there is no trace file no-such-file.")]
    public async Task Bad_input_is_one_sentence_and_exit_code_2(string line, string message)
    {
        var bed = new CommandLineTestBed();

        var code = await bed.RunAsync(line.Split(' '));

        Assert.Equal((2, ""), (code, bed.Out));
        Assert.Equal($"error: {message}", bed.Error.Split('\n')[0].TrimEnd());
    }

    [Theory]
    [InlineData("gatway", "gateway")]
    [InlineData("gateway --prot 1", "--port")]
    [InlineData("gateway --decode http://a:1 --polcy random", "--policy")]
    [InlineData("gateway --prefill http://a:1 8998 --log-formt json", "--log-format")]
    public async Task A_misspelt_word_gets_the_nearest_one_that_exists(string line, string meant)
    {
        var bed = new CommandLineTestBed();

        Assert.Equal((2, ""), (await bed.RunAsync(line.Split(' ')), bed.Out));
        Assert.Contains(meant, bed.Error.Split('\n').Select(row => row.Trim()));
    }

    [Fact]
    public async Task No_answer_is_exit_code_1()
    {
        var bed = new CommandLineTestBed();

        // Port 1 is reserved and never listened on.
        Assert.Equal(1, await bed.RunAsync("replay", "--url", "http://127.0.0.1:1"));
        Assert.StartsWith("error: nothing answers at http://127.0.0.1:1/: ", bed.Error);
    }

    [Theory]
    [InlineData("gateway")]
    [InlineData("engine")]
    [InlineData("bootstrap")]
    public async Task An_address_of_another_machine_is_told_in_a_sentence(string command)
    {
        var bed = new CommandLineTestBed();

        // Reserved for documents: no machine has it.
        Assert.Equal(1, await bed.RunAsync(command, "--host", "192.0.2.1", "--port", "0"));
        Assert.Equal("error: 192.0.2.1 is not an address of this machine: choose another with --host.", bed.Error.TrimEnd());
    }

    [Fact]
    public async Task What_must_be_given_stands_in_the_help_without_brackets()
    {
        var bed = new CommandLineTestBed();

        Assert.Equal(0, await bed.RunAsync("workers", "role", "--help"));
        Assert.Contains("orleanspd workers role WORKER ROLE [options]", bed.Out);
    }
}
