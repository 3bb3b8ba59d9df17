using System.Diagnostics;
using Microsoft.Extensions.Configuration;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;
using OrleansPd.Standalone;
using OrleansPd.Tools.Demo;

namespace OrleansPd.Server.Demo;

/// <summary>Engines and gateway in this process, with real listeners and real HTTP.</summary>
internal sealed class InProcessStage : IDemoStage
{
    private readonly DemoFleet _fleet;
    private readonly GatewayServer _gateway;

    private InProcessStage(DemoFleet fleet, GatewayServer gateway)
    {
        (_fleet, _gateway) = (fleet, gateway);
        Engines = [.. fleet.Engines.Select(engine =>
            new DemoEngine(fleet.NameOf(engine.Url), engine.Options.Role, engine.Url, engine.Options.DpSize))];
        Broken = FirstEndAsync();
    }

    public IReadOnlyList<DemoEngine> Engines { get; }
    public Uri Gateway => _gateway.Url;
    public Task<string> Broken { get; }
    public string MemoryOf => "engines, gateway and client in one process";

    /// <exception cref="CommandFailedException">The port is taken.</exception>
    public static async Task<InProcessStage> StartAsync(
        DemoOptions options, CommandContext context, CancellationToken cancellationToken)
    {
        var fleet = await DemoFleet.StartAsync(options.Fleet, context.Time, cancellationToken);
        var settings = new GatewayOptions
        {
            Host = "127.0.0.1",
            Port = options.Port,
            ControlPlane = { QueueSize = options.Replay.Concurrency },
        };
        settings.ControlPlane.Workers.AddRange(fleet.Workers);
        var warnings = new ConfigurationBuilder()
            .AddInMemoryCollection([new("LogLevel:Default", "Warning")]).Build();
        try
        {
            return new(fleet, await StandaloneGateway.StartAsync(
                settings, logging => ConsoleLog.Configure(logging, warnings), cancellationToken));
        }
        catch (Exception error)
        {
            await fleet.DisposeAsync();
            if (ListenFailure.Explain(error, settings.Host, (settings.Port, "--port")) is { } explained)
                throw explained;
            throw;
        }
    }

    public MemorySample Measure()
    {
        using var process = Process.GetCurrentProcess();
        return new(GC.GetTotalMemory(forceFullCollection: true), process.WorkingSet64);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.StopAsync();
        await _gateway.DisposeAsync();
        await _fleet.DisposeAsync();
    }

    private async Task<string> FirstEndAsync()
    {
        var engines = _fleet.Engines.Select(EngineEndAsync);
        return await (await Task.WhenAny(engines.Append(GatewayEndAsync())));
    }

    private async Task<string> EngineEndAsync(SimulatedEngine engine) =>
        $"{_fleet.NameOf(engine.Url)} died: {await engine.Exited}";

    private async Task<string> GatewayEndAsync()
    {
        await _gateway.Completion;
        return StoppedGateway.Explain(_gateway.Failure).Message;
    }
}
