using OrleansPd.Benchmarks;
using OrleansPd.Benchmarks.Fleets;
using OrleansPd.Benchmarks.Gateway;

// Each command is a class that takes the arguments behind its name and returns the exit code.
return args switch
{
    ["--smoke", .. var rest] => Smoke.Run(rest),
    ["gateway", .. var rest] => GatewayBench.Run(rest),
    ["micro", .. var rest] => MicroCommand.Run(rest),
    ["policies", .. var rest] => await PoliciesCommand.RunAsync(new Arguments(rest)),
    ["affinity", .. var rest] => AffinityCommand.Run(new Arguments(rest)),
    ["restart", .. var rest] => await RestartCommand.RunAsync(new Arguments(rest)),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        usage: dotnet run -c Release --project tests/OrleansPd.Benchmarks -- COMMAND
          gateway [...]         the whole gateway beside nginx and haproxy; 'gateway --help' lists its flags
          micro [FILTER]        BenchmarkDotNet over the hot paths; FILTER as in '*Pick*'
          --smoke [FILTER]      every body of 'micro' a few times, without measuring
          policies [POLICY] [--speed N] [--seeds N]
                                times to the first token by policy, with simulated engines N times as fast as real ones
          affinity [TRACE] [--gateways N] [--workers N] [--cache TOKENS] [--speed N]
                                several gateways that remember prefixes for themselves, or tell each other; no engines, a modelled time
          restart [--seconds N] [--rate N]
                                a prefill is restarted under load, with and without the bootstrap facade
        """);
    return 2;
}
