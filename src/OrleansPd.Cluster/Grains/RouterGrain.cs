using Orleans.Placement;
using OrleansPd.Client.Routing;
using OrleansPd.Cluster.Gateways;
using OrleansPd.Engines.Attempts;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// Holds the leases of one service at the control plane of this silo. It is not a stateless worker, because a lease must be
/// returned to the silo that granted it, and a stateless worker has no address. Calls interleave; each changes a lease in one
/// step.
/// </summary>
[GrainType("router"), PreferLocalPlacement]
internal sealed class RouterGrain(ClusterControlPlane plane, RequestDispatcher dispatcher, PdTime time) : Grain, IRouterGrain
{
    private static readonly TimeSpan ValidFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(1);
    private readonly ServiceLeases _held = new(ValidFor);

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        this.RegisterGrainTimer(SweepAsync, new() { DueTime = SweepInterval, Period = SweepInterval, Interleave = true });
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) =>
        EndAsync(_held.TakeAll());

    public async Task<PairOffer> Acquire(PairAsk ask, CancellationToken cancellationToken)
    {
        var request = new PairRequest
        {
            Model = ask.Model,
            Items = ask.Items,
            PromptTokens = ask.PromptTokens,
            MaxNewTokens = ask.MaxNewTokens,
            SessionKey = ask.SessionKey,
            Priority = ask.Priority,
            Attempt = ask.Attempt,
            AvoidPrefill = ask.AvoidPrefill,
            AvoidDecode = ask.AvoidDecode,
            MaxWait = ask.MaxWait,
            Adapters = ask.Adapters,
        };
        var grant = await plane.AcquireAsync(request, cancellationToken);
        if (grant.Lease is not { } lease)
        {
            var refusal = grant.Refusal!;
            return new PairOffer { Refusal = (byte)refusal.Reason, Message = refusal.Message, RetryAfter = refusal.RetryAfter };
        }
        _held.Add(lease, time.Now);
        return new PairOffer
        {
            Lease = lease.Id,
            Prefill = lease.Prefill,
            Decode = lease.Decode,
            PrefillRank = lease.PrefillRank,
            DecodeRank = lease.DecodeRank,
            Rooms = [.. lease.Rooms.Span],
            PrefillTarget = lease.PrefillTarget,
            DecodeTarget = lease.DecodeTarget,
            ValidFor = ValidFor,
        };
    }

    public Task Report(ImmutableArray<LegReport> ended, ImmutableArray<LeaseProgress> live)
    {
        foreach (var lease in live)
            _held.Renew(lease.Lease, lease.Rids, time.Now);
        foreach (var leg in ended)
        {
            var side = leg.IsPrefill ? LegSide.Prefill : LegSide.Decode;
            if (_held.Ended(leg.Lease, side) is { } lease)
                plane.LegEnded(lease, side, (LegOutcome)leg.Outcome);
        }
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<AnswerPart> Dispatch(
        string path, byte[] body, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var call = Calls.Make(path, body);
        var sink = new ChannelSink();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = sink.RunAsync(dispatcher, call, stop.Token);
        try
        {
            await foreach (var part in sink.Parts.ReadAllAsync(cancellationToken))
                yield return part;
        }
        finally
        {
            await stop.CancelAsync();
            await running;
        }
    }

    private Task SweepAsync(CancellationToken cancellationToken) => EndAsync(_held.TakeOverdue(time.Now));

    /// <summary>Ends leases that the service no longer renews: aborts their legs and frees their capacity.</summary>
    private async Task EndAsync(ImmutableArray<ServiceLease> lost)
    {
        var aborter = dispatcher.Aborter;
        await Task.WhenAll(lost.SelectMany(
            held => held.Workers, (held, worker) => aborter.AbortAsync(worker, held.Lease.Rids, mayRepeat: true)));
        foreach (var held in lost)
        {
            foreach (var side in held.Left)
                plane.LegEnded(held.Lease, side, LegOutcome.Neutral);
        }
    }
}
