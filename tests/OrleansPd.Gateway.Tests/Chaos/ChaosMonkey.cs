using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Chaos;

/// <summary>
/// Strikes engines with faults in an order and at a pace that a seed decides. <see cref="FaultKind.CorruptKv"/> is left out: an
/// engine that computes with altered KV gives a wrong text by itself, and nothing that a gateway sees tells it from a right one.
/// </summary>
/// <param name="engines">Whom it may strike.</param>
/// <param name="leastDown">
/// How long a dead engine stays dead at least. Decode engines keep the ranks of a dead prefill until two heartbeats failed: one
/// that is back before that is wrong in their caches for ever, unless a facade gives it a new address. Real ones load for longer.
/// </param>
/// <param name="random">Decides.</param>
/// <param name="report">What was done is told there.</param>
internal sealed class ChaosMonkey(IReadOnlyList<SimulatedEngine> engines, TimeSpan leastDown, Random random, SoakReport report)
{
    private readonly List<(SimulatedEngine Engine, int Id, Fault Fault, TimeSpan Until)> _set = [];
    private readonly Dictionary<SimulatedEngine, TimeSpan> _dead = [];

    private static readonly FaultKind[] OnEither =
    [
        FaultKind.Refuse, FaultKind.Status, FaultKind.Hang, FaultKind.Die, FaultKind.Restart, FaultKind.ResetMidStream,
        FaultKind.TruncateStream, FaultKind.GarbageSse, FaultKind.Stall, FaultKind.Slow, FaultKind.AbortHang, FaultKind.HealthRed,
        FaultKind.FailTransfer,
    ];

    private static readonly FaultKind[] OnPrefill =
        [.. OnEither, FaultKind.DropKv, FaultKind.LateKv, FaultKind.WedgePrefill, FaultKind.BootstrapDown];

    private static readonly FaultKind[] OnDecode = [.. OnEither, FaultKind.WedgeDecode, FaultKind.Retract];

    /// <summary>One more fault, and the end of those whose time is over. Returns the pause until the next step.</summary>
    public async Task<TimeSpan> StepAsync(TimeSpan now)
    {
        foreach (var entry in _set.Where(entry => entry.Until <= now).ToArray())
            End(entry);
        foreach (var (engine, _) in _dead.Where(d => d.Value <= now).ToArray())
        {
            _dead.Remove(engine);
            await TryReviveAsync(engine); // else it is found dead below
        }
        var struck = engines[random.Next(engines.Count)];
        // All draws are made whatever the state of the engine: the schedule is the seed's alone.
        var kill = random.Next(20);
        var down = now + leastDown + TimeSpan.FromMilliseconds(random.Next(100, 2500));
        var fault = Draw(struck.Options.Role);
        var until = now + TimeSpan.FromMilliseconds(random.Next(200, 3500));
        var pause = TimeSpan.FromMilliseconds(random.Next(30, 250));
        foreach (var dead in engines.Where(e => !e.IsAlive && !_dead.ContainsKey(e)))
            _dead.Add(dead, down);
        if (!struck.IsAlive)
            return pause;
        if (kill == 0)
        {
            report.Struck(struck.Options.Role, "kill", struck.Stats.LiveRequests);
            Inspect(struck);
            await struck.KillAsync();
            _dead[struck] = down;
        }
        else
        {
            _set.Add((struck, struck.Faults.Add(fault), fault, until));
        }
        return pause;
    }

    /// <summary>Ends all faults and brings the dead back, when their time has come.</summary>
    public async Task CalmAsync(TimeSpan now)
    {
        foreach (var entry in _set.ToArray())
            End(entry);
        foreach (var engine in engines)
            engine.Faults.Clear();
        foreach (var engine in engines.Where(e => !e.IsAlive).OrderBy(e => _dead.GetValueOrDefault(e)))
        {
            var still = _dead.GetValueOrDefault(engine, now + leastDown) - now;
            if (still > TimeSpan.Zero)
            {
                await Task.Delay(still, TestContext.Current.CancellationToken);
                now += still;
            }
            for (var left = 100; !await TryReviveAsync(engine); left--)
            {
                Assert.True(left > 0, $"somebody else keeps port {engine.Port}");
                await Task.Delay(200, TestContext.Current.CancellationToken);
            }
        }
        _dead.Clear();
    }

    /// <summary>False: the port of the dead was taken meanwhile, as the near end of some connection on this machine.</summary>
    private static async Task<bool> TryReviveAsync(SimulatedEngine engine)
    {
        try
        {
            await engine.ReviveAsync(TestContext.Current.CancellationToken);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>What only a router can have done wrong, as the engines saw it.</summary>
    public void Inspect()
    {
        foreach (var engine in engines)
            Inspect(engine);
    }

    private void Inspect(SimulatedEngine engine)
    {
        foreach (var error in engine.Stats.RouterErrors)
            report.Violation($"{engine.Options.Role} at {engine.Port}: {error}");
        if (engine.Stats.DuplicateRooms > 0)
            report.Violation($"{engine.Options.Role} at {engine.Port}: {engine.Stats.DuplicateRooms} rooms used twice");
    }

    private Fault Draw(EngineRole role)
    {
        var kinds = role == EngineRole.Prefill ? OnPrefill : OnDecode;
        var kind = kinds[random.Next(kinds.Length)];
        var few = random.Next(1, 4);
        var number = random.Next(0, 12);
        var longer = TimeSpan.FromMilliseconds(random.Next(50, 1500));
        return kind switch
        {
            FaultKind.Refuse or FaultKind.WedgePrefill or FaultKind.WedgeDecode or FaultKind.AbortHang or FaultKind.HealthRed =>
                new Fault(kind),
            FaultKind.BootstrapDown => new Fault(kind) { Status = number < 6 ? null : 500 },
            FaultKind.Slow => new Fault(kind) { Factor = 2 + number },
            FaultKind.Status => new Fault(kind) { Count = few, Status = number < 8 ? 500 : 503 },
            FaultKind.Die => new Fault(kind) { Count = 1, AfterTokens = number },
            FaultKind.Restart => new Fault(kind) { Count = 1, AfterTokens = number, Delay = leastDown + longer },
            FaultKind.LateKv => new Fault(kind) { Count = few, Delay = longer },
            FaultKind.Retract => new Fault(kind) { Count = few, AfterTokens = 1 + number },
            FaultKind.Hang or FaultKind.DropKv or FaultKind.FailTransfer => new Fault(kind) { Count = few },
            // A prefill's stream has one event.
            _ => new Fault(kind) { Count = few, AfterEvents = role == EngineRole.Prefill ? number % 2 : number },
        };
    }

    private void End((SimulatedEngine Engine, int Id, Fault Fault, TimeSpan Until) entry)
    {
        var hits = entry.Engine.Faults.Active.FirstOrDefault(active => active.Id == entry.Id)?.Hits ?? entry.Fault.Count ?? 0;
        report.Struck(entry.Engine.Options.Role, entry.Fault.Kind.ToString(), hits);
        entry.Engine.Faults.Remove(entry.Id);
        _set.Remove(entry);
    }
}
