using OrleansPd.Client.Contracts;

namespace OrleansPd.Client.Routing;

/// <summary>
/// A control plane that acquires pairs from the router grain and reports outcomes to it in batches. So the gateway's dispatcher
/// runs in any service.
/// </summary>
internal sealed class RouterControlPlane : IControlPlane, IAsyncDisposable
{
    private static readonly TimeSpan RenewalInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan BatchDelay = TimeSpan.FromMilliseconds(2);
    private readonly IRouterGrain _router;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<long, OfferedLease> _live = new();
    private readonly ConcurrentQueue<LegReport> _ended = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _changes = new(0);
    private readonly Task _reporting;

    public RouterControlPlane(IRouterGrain router, TimeProvider clock)
    {
        (_router, _clock) = (router, clock);
        _reporting = ReportLoopAsync(_stop.Token);
    }

    public FleetSnapshot Fleet => FleetSnapshot.Empty;

    public async ValueTask<PairGrant> AcquireAsync(PairRequest request, CancellationToken cancellationToken)
    {
        var offer = await _router.Acquire(
            new PairAsk
            {
                Model = request.Model,
                Items = request.Items,
                PromptTokens = request.PromptTokens,
                MaxNewTokens = request.MaxNewTokens,
                SessionKey = request.SessionKey,
                Priority = request.Priority,
                Attempt = request.Attempt,
                AvoidPrefill = request.AvoidPrefill,
                AvoidDecode = request.AvoidDecode,
                MaxWait = request.MaxWait,
                Adapters = request.Adapters,
            }, cancellationToken).ConfigureAwait(false);
        if (offer.Decode is not { } decode)
            return PairGrant.Refused(new((RefusalReason)offer.Refusal, offer.Message ?? "The router refused.", offer.RetryAfter));
        var lease = new OfferedLease
        {
            Id = offer.Lease,
            Prefill = offer.Prefill,
            Decode = decode,
            PrefillRank = offer.PrefillRank,
            DecodeRank = offer.DecodeRank,
            Rooms = offer.Rooms.AsMemory(),
            PrefillTarget = offer.PrefillTarget,
            DecodeTarget = offer.DecodeTarget,
            LegsLeft = offer.Prefill is null ? 1 : 2,
        };
        _live[lease.Id] = lease;
        return PairGrant.Granted(lease);
    }

    public void LegEnded(PairLease lease, LegSide side, LegOutcome outcome)
    {
        var offered = (OfferedLease)lease;
        _ended.Enqueue(new(lease.Id, side == LegSide.Prefill, (byte)outcome));
        if (offered.LegGone())
            _live.TryRemove(lease.Id, out _);
        _changes.Release();
    }

    public ValueTask<RankRegistration> RegisterRankAsync(long room, int rank, CancellationToken cancellationToken) =>
        throw new NotSupportedException("Engines register at a gateway.");

    public ValueTask QueryRanksAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken) =>
        throw new NotSupportedException("Engines query a gateway.");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await ReportAsync([]).ConfigureAwait(false);
        _stop.Dispose();
        _changes.Dispose();
    }

    /// <summary>Reports ended legs within milliseconds, and renews leases once a second.</summary>
    private async Task ReportLoopAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await _changes.WaitAsync(RenewalInterval, cancellationToken).ConfigureAwait(false))
            {
                // Legs that end together are reported together.
                await Task.Delay(BatchDelay, _clock, cancellationToken).ConfigureAwait(false);
            }
            await ReportAsync([.. _live.Values.Select(l => new LeaseProgress(l.Id, [.. l.Rids]))]).ConfigureAwait(false);
        }
    }

    private async Task ReportAsync(ImmutableArray<LeaseProgress> live)
    {
        var ended = new List<LegReport>();
        while (_ended.TryDequeue(out var report))
            ended.Add(report);
        if (ended.Count == 0 && live.IsEmpty)
            return;
        try
        {
            await _router.Report([.. ended], live).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Sent again with the next report. If the router's silo died, its leases expire there.
            ended.ForEach(_ended.Enqueue);
        }
    }

    private sealed class OfferedLease : PairLease
    {
        private int _left;

        public required int LegsLeft { init => _left = value; }

        public bool LegGone() => Interlocked.Decrement(ref _left) == 0;
    }
}
