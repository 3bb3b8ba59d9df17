using OrleansPd.Simulator;

namespace OrleansPd.Tools.Demo;

/// <summary>Number, ranks and speed of the engines.</summary>
internal sealed record DemoFleetOptions(
    int Prefills = 2, int Decodes = 2, int PrefillRanks = 2, int DecodeRanks = 2, double Speed = 1);

/// <summary>Simulated engines on free ports of this machine.</summary>
internal sealed class DemoFleet : IAsyncDisposable
{
    private readonly List<SimulatedEngine> _engines = [];

    private DemoFleet()
    {
    }

    public IReadOnlyList<SimulatedEngine> Engines => _engines;

    /// <summary>The engines for the gateway's configuration, without bootstrap ports, which it reads from them.</summary>
    public IEnumerable<WorkerSpec> Workers => _engines.Select(engine => new WorkerSpec
    {
        Role = engine.Options.Role == EngineRole.Prefill ? WorkerRole.Prefill : WorkerRole.Decode,
        Url = engine.Url,
    });

    public static async Task<DemoFleet> StartAsync(
        DemoFleetOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        var fleet = new DemoFleet();
        try
        {
            for (var i = 0; i < options.Prefills + options.Decodes; i++)
            {
                var prefill = i < options.Prefills;
                fleet._engines.Add(await SimulatedEngine.StartAsync(
                    new()
                    {
                        DpSize = prefill ? options.PrefillRanks : options.DecodeRanks,
                        Role = prefill ? EngineRole.Prefill : EngineRole.Decode,
                        Speed = options.Speed,
                    }, time, cancellationToken));
            }
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }

        return fleet;
    }

    /// <summary>The name of an engine by its address, such as <c>prefill-1</c>.</summary>
    public string NameOf(Uri url)
    {
        var role = _engines.FirstOrDefault(engine => engine.Url == url)?.Options.Role;
        if (role is null)
            return url.Authority;

        var number = _engines.Where(engine => engine.Options.Role == role).TakeWhile(engine => engine.Url != url).Count() + 1;
        return $"{role.ToString()!.ToLowerInvariant()}-{number}";
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in _engines)
            await engine.DisposeAsync();
    }
}
