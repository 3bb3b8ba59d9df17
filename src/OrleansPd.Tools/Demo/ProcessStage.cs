using OrleansPd.Simulator;

namespace OrleansPd.Tools.Demo;

/// <summary>Each engine and the gateway in its own process, so that the gateway's memory can be measured alone.</summary>
internal sealed class ProcessStage : IDemoStage
{
    private readonly List<ChildProcess> _children = [];
    private readonly List<DemoEngine> _engines = [];

    private ProcessStage()
    {
    }

    public IReadOnlyList<DemoEngine> Engines => _engines;
    public Uri Gateway => _children[^1].Url;
    public Task<string> Broken { get; private set; } = Task.FromResult("not started");
    public string MemoryOf => "the gateway's process";

    /// <exception cref="CommandFailedException">A process did not start; the message is from that process.</exception>
    public static async Task<ProcessStage> StartAsync(DemoOptions options, CancellationToken cancellationToken)
    {
        var stage = new ProcessStage();
        try
        {
            await stage.StartEnginesAsync(options.Fleet, cancellationToken);
            string[] gateway =
            [
                "gateway", "--host", "127.0.0.1", "--port", Text(options.Port), "--log-level", "warn",
                "--queue-size", Text(options.Replay.Concurrency),
                .. stage._engines.SelectMany(engine => (string[])
                    [engine.Role == EngineRole.Prefill ? "--prefill" : "--decode", engine.Url.GetLeftPart(UriPartial.Authority)]),
            ];
            stage._children.Add(await ChildProcess.StartAsync("the gateway", gateway, cancellationToken));
        }
        catch
        {
            await stage.DisposeAsync();
            throw;
        }

        stage.Broken = Task.WhenAny(stage._children.Select(child => child.EndAsync())).Unwrap();
        return stage;
    }

    public MemorySample Measure() => new(null, _children[^1].Resident);

    public async ValueTask DisposeAsync()
    {
        // The gateway first, or it would log that its engines are gone.
        foreach (var child in _children.AsEnumerable().Reverse())
            await child.DisposeAsync();
    }

    private async Task StartEnginesAsync(DemoFleetOptions fleet, CancellationToken cancellationToken)
    {
        for (var i = 0; i < fleet.Prefills + fleet.Decodes; i++)
        {
            var prefill = i < fleet.Prefills;
            var role = prefill ? EngineRole.Prefill : EngineRole.Decode;
            var ranks = prefill ? fleet.PrefillRanks : fleet.DecodeRanks;
            var name = prefill ? $"prefill-{i + 1}" : $"decode-{i - fleet.Prefills + 1}";
            var child = await ChildProcess.StartAsync(name,
            [
                "engine", "--role", WireName.Of(role), "--port", "0", "--bootstrap-port", "0",
                "--dp-size", Text(ranks), "--speed", fleet.Speed.ToString(CultureInfo.InvariantCulture),
            ], cancellationToken);
            _children.Add(child);
            _engines.Add(new(name, role, child.Url, ranks));
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
