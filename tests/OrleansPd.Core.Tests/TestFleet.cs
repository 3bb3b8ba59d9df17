using OrleansPd.Core.Admission;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests;

/// <summary>A control-plane state with workers that are ready, and a time that the test moves.</summary>
internal sealed class TestFleet
{
    public TestFleet(ControlPlaneOptions? options = null, int seed = 1)
    {
        Options = options ?? new ControlPlaneOptions { Policy = "least_load" };
        State = new ControlPlaneState(Options, new RoomMint(1, 0), seed);
    }

    public ControlPlaneOptions Options { get; }

    public ControlPlaneState State { get; }

    public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public long Timestamp => Now.UtcTicks;

    public static WorkerFacts Facts(
        int dp = 1, int slots = 4, string? version = "0.5.18", string model = "m", string identity = "seed=1") => new()
        {
            DpSize = dp,
            MaxRunningPerRank = slots,
            SlotsPerRank = slots,
            Version = version,
            ServedModelName = model,
            PageSize = 64,
            KvCacheDtype = "auto",
            TransferBackend = "mooncake",
            BootstrapPort = 8998,
            ProcessIdentity = identity,
        };

    public WorkerId Add(WorkerRole role, string host, WorkerFacts? facts = null, bool ready = true)
    {
        var worker = State.Register(new WorkerSpec { Url = new Uri($"http://{host}:30000"), Role = role }, Now)!;
        if (ready)
        {
            Apply(worker.Id, new WorkerInput.Described(facts ?? Facts()));
            Apply(worker.Id, new WorkerInput.ReadinessPassed(1));
        }
        return worker.Id;
    }

    /// <summary>So many prefill workers p0, p1, ... and decode workers d0, d1, ...</summary>
    public TestFleet With(int prefill, int decode, int dp = 1, int slots = 4)
    {
        for (var i = 0; i < prefill; i++)
            Add(WorkerRole.Prefill, $"p{i}", Facts(dp, slots));
        for (var i = 0; i < decode; i++)
            Add(WorkerRole.Decode, $"d{i}", Facts(dp, slots));
        return this;
    }

    public WorkerState? Apply(WorkerId id, WorkerInput input) => State.Apply(id, input, Now, Timestamp);

    /// <summary>The engine reports its load at a query now.</summary>
    public void ReportLoad(WorkerId id, params RankReading[] ranks) =>
        State.Loaded(id, new EngineLoad { QueriedAt = Now, Ranks = [.. ranks] }, Now, Timestamp);

    public WorkerSnapshot SnapshotOf(WorkerId id) => State.Fleet.Workers.Single(w => w.Id == id);

    public AcquireAnswer Ask(PairRequest? request = null) => State.Acquire(request ?? new PairRequest(), Now, Timestamp);

    public PairLease Take(PairRequest? request = null)
    {
        var answer = Ask(request);
        Assert.True(answer.Grant?.Lease is not null,
            $"expected a lease, got {answer.Grant?.Refusal?.ToString() ?? "a place in the queue"}");
        return answer.Grant!.Value.Lease!;
    }

    public Refusal Refused(PairRequest? request = null)
    {
        var answer = Ask(request);
        Assert.True(answer.Grant?.Refusal is not null, "expected a refusal");
        return answer.Grant!.Value.Refusal!;
    }

    public WaitingRequest Wait(PairRequest request)
    {
        var answer = Ask(request with { MaxWait = TimeSpan.FromSeconds(30) });
        Assert.True(answer.Waiting is not null, $"expected a place in the queue, got {answer.Grant}");
        return answer.Waiting!;
    }

    public bool End(PairLease lease, LegSide side, LegOutcome outcome = LegOutcome.Succeeded) =>
        State.LegEnded(lease, side, outcome, Now, Timestamp);

    public void EndBoth(PairLease lease, LegOutcome outcome = LegOutcome.Succeeded)
    {
        End(lease, LegSide.Prefill, outcome);
        End(lease, LegSide.Decode, outcome);
    }

    public List<WaitingRequest> Granted()
    {
        var granted = new List<WaitingRequest>();
        State.TakeGranted(granted);
        return granted;
    }
}
