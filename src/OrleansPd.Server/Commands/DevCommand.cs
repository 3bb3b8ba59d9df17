using Microsoft.Extensions.Configuration;
using OrleansPd.Server.Dev;
using OrleansPd.Server.Hosting;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd dev</c>: a whole cluster in one process, with simulated engines.</summary>
internal static class DevCommand
{
    /// <summary>Time limit for the first pair of simulated engines; it usually takes about a second.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    public static Command Create(CommandContext context)
    {
        var flags = new DevFlags();
        var command = new DocumentedCommand("dev",
            "Run a whole cluster in this process: silos with a gateway each, and simulated engines. Uses Redis if it answers, "
            + "else memory. All state is deleted at the end, also from Redis.")
        {
            Examples =
            [
                "orleanspd dev",
                "orleanspd dev --silos 5 --prefills 4 --decodes 8 --speed 10",
                "orleanspd dev --port 0 --redis none",
            ],
        };
        flags.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(flags.Options(parsed), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(DevOptions options, CommandContext context, CancellationToken cancellationToken)
    {
        var level = LogLevels.Parse(options.LogLevel)
            ?? throw new BadInputException($"--log-level: '{options.LogLevel}' is not debug, info, warn or error.");
        var logging = new ConfigurationBuilder().AddInMemoryCollection([new("LogLevel:Default", level)]).Build();
        await using var cluster = new DevCluster(options, logging, SiloLog.For(logging), context);
        await cluster.StartAsync(cancellationToken);
        await PrintAsync(options, cluster, context);
        await cluster.ReadyAsync(Timeout, cancellationToken);
        await context.Out.WriteLineAsync(
            $"Ready; stop with Ctrl-C. Try: curl {cluster.Gateways[^1]}generate -H 'content-type: application/json' "
            + "-d '{\"text\":\"hello\",\"sampling_params\":{\"max_new_tokens\":8}}'");
        var stop = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(stop.SetResult);
        var ended = cluster.EndedAsync();
        if (await Task.WhenAny(ended, stop.Task) == ended)
            throw new CommandFailedException(await ended + ".");
        return ExitCode.Success;
    }

    private static async Task PrintAsync(DevOptions options, DevCluster cluster, CommandContext context)
    {
        foreach (var engine in cluster.Engines)
            await context.Out.WriteLineAsync($"{WireName.Of(engine.Options.Role)} engine on {engine.Url}");
        foreach (var (gateway, silo) in cluster.Gateways.Zip(cluster.Silos))
            await context.Out.WriteLineAsync($"gateway on {gateway} in silo {silo}");
        var silos = options.Silos == 1 ? "1 silo" : $"{options.Silos} silos";
        await context.Out.WriteLineAsync(cluster.WithoutRedis is { } why
            ? $"orleanspd dev: {silos} without Redis ({why})"
            : $"orleanspd dev: {silos} on Redis at {options.Redis}");
        await context.Out.WriteLineAsync(cluster.ServiceAccess);
    }
}
