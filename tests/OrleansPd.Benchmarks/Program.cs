using System.Runtime.InteropServices;
using OrleansPd.Benchmarks;
using OrleansPd.Benchmarks.Fleets;
using OrleansPd.Benchmarks.Gateway;

// Children are killed on ProcessExit. .NET 10 ends without it on a signal that nothing handles.
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Exit);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Exit);

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

static void Exit(PosixSignalContext context)
{
    context.Cancel = true;
    Environment.Exit(128 + (context.Signal == PosixSignal.SIGINT ? 2 : 15));
}

static int Usage()
{
    Console.Error.WriteLine("""
        usage: dotnet run -c Release --project tests/OrleansPd.Benchmarks -- COMMAND
          gateway [...]         the whole gateway compared with nginx and haproxy; 'gateway --help' lists its flags
          micro [FILTER]        BenchmarkDotNet over the hot paths; FILTER as in '*Pick*'
          --smoke [FILTER]      each benchmark of 'micro' a few times, without measuring
          policies [POLICY] [--speed N] [--seeds N]
                                time to first token by policy, with simulated engines N times as fast as real ones
          affinity [TRACE] [--gateways N] [--workers N] [--cache TOKENS] [--speed N]
                                several gateways that remember prefixes alone, or exchange them; no engines, modelled time
          restart [--seconds N] [--rate N]
                                restarts a prefill engine under load, with and without the bootstrap facade
        """);
    return 2;
}
