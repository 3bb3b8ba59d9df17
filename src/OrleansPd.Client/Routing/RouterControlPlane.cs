using System.Collections.Concurrent;
using System.Collections.Immutable;
using OrleansPd.Client.Contracts;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Client.Routing;

/// <summary>
/// A control plane behind the router grain: pairs are asked for there, and what became of them is told there in batches. So the
/// gateway's own dispatcher runs in any service.
/// </summary>
internal sealed class RouterControlPlane : IControlPlane, IAsyncDisposable
{
    private static readonly TimeSpan SharedTick = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(2);
    private readonly IRouterGrain _router;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<long, OfferedLease> _live = new();
    private readonly ConcurrentQueue<LegReport> _ended = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _news = new(0);
    private readonly Task _telling;

    public RouterControlPlane(IRouterGrain router, TimeProvider clock)
    {
        (_router, _clock) = (router, clock);
        _telling = TellAsync(_stop.Token);
    }

    /// <summary>Not known here: the router chooses.</summary>
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
        {
            return PairGrant.Refused(new((RefusalReason)offer.Refusal, offer.Message ?? "The router refused.", offer.RetryAfter));
        }
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
        {
            _live.TryRemove(lease.Id, out _);
        }
        _news.Release();
    }

    public ValueTask<RankRegistration> RegisterRankAsync(long room, int rank, CancellationToken cancellationToken) =>
        throw new NotSupportedException("Engines register at a gateway.");

    public ValueTask QueryRanksAsync(ReadOnlyMemory<long> rooms, Memory<int> ranks, CancellationToken cancellationToken) =>
        throw new NotSupportedException("Engines ask at a gateway.");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _telling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await ReportAsync([]).ConfigureAwait(false);
        _stop.Dispose();
        _news.Dispose();
    }

    /// <summary>Tells what has ended soon, and what lives on once a second.</summary>
    private async Task TellAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await _news.WaitAsync(SharedTick, cancellationToken).ConfigureAwait(false))
            {
                await Task.Delay(Soon, _clock, cancellationToken).ConfigureAwait(false); // what ends together is told together
            }
            await ReportAsync([.. _live.Values.Select(l => new LeaseProgress(l.Id, [.. l.Rids]))]).ConfigureAwait(false);
        }
    }

    private async Task ReportAsync(ImmutableArray<LeaseProgress> live)
    {
        var ended = new List<LegReport>();
        while (_ended.TryDequeue(out var report))
        {
            ended.Add(report);
        }
        if (ended.Count == 0 && live.IsEmpty)
        {
            return;
        }
        try
        {
            await _router.Report([.. ended], live).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Said again with the next report; what the router's silo has lost with its life, it ends by itself.
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
