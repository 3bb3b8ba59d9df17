using OrleansPd.Benchmarks;
using OrleansPd.Benchmarks.Gateway;

// Subcommands: each is a class with RunAsync(arguments) that returns the exit code.
return args switch
{
    ["--smoke", .. var rest] => Smoke.Run(rest),
    ["gateway", .. var rest] => GatewayBench.Run(rest),
    ["micro", .. var rest] => MicroCommand.Run(rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        usage: dotnet run -c Release --project tests/OrleansPd.Benchmarks -- COMMAND
          gateway [...]         the whole gateway beside nginx and haproxy; 'gateway --help' lists its flags
          micro [FILTER]        BenchmarkDotNet over the hot paths; FILTER as in '*Pick*'
          --smoke [FILTER]      every body of 'micro' once or twice, without measuring
        """);
    return 2;
}
