using OrleansPd.Benchmarks;

// Subcommands: each is a class with RunAsync(arguments) that returns the exit code.
return args switch
{
    ["--smoke", .. var rest] => Smoke.Run(rest),
    ["micro", .. var rest] => MicroCommand.Run(rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        usage: dotnet run -c Release --project tests/OrleansPd.Benchmarks -- COMMAND
          micro [FILTER]        BenchmarkDotNet over the hot paths; FILTER as in '*Pick*'
          --smoke [FILTER]      every body of 'micro' once or twice, without measuring
        """);
    return 2;
}
