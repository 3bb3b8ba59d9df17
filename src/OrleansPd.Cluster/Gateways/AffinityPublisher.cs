using System.Runtime.InteropServices;
using Orleans.Runtime.Placement;
using OrleansPd.Core.Policies;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Sends other gateways the affinity entries that the policies of this one have added. Calls are not awaited: a lost message only
/// loses a hint.
/// </summary>
/// <param name="services">The services of the gateway.</param>
/// <param name="take">Returns new entries since the last call, with true also known ones; null = nothing to send.</param>
internal sealed class AffinityPublisher(GatewayServices services, Func<bool, AffinityUpdate?> take)
{
    /// <summary>Time after a gateway has joined during which known entries are sent too.</summary>
    private static readonly TimeSpan SendAllFor = TimeSpan.FromMinutes(1);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var interval = TimeSpan.FromMilliseconds(services.Cluster.AffinityIntervalMs);
        var known = ImmutableHashSet<string>.Empty;
        var joined = services.Clock.GetTimestamp();
        while (true)
        {
            await Task.Delay(interval, services.Clock, cancellationToken).ConfigureAwait(false);
            var others = services.Members.Others().ToArray();
            var now = others.Select(o => o.Gateway).ToImmutableHashSet();
            joined = now.IsSubsetOf(known) ? joined : services.Clock.GetTimestamp();
            known = now;
            if (take(services.Clock.GetElapsedTime(joined) < SendAllFor) is not { } update)
                continue;
            var note = new AffinityNote(update.Workers, MemoryMarshal.AsBytes(update.Words.Span).ToArray());
            foreach (var (gateway, silo) in others)
            {
                RequestContext.Set(IPlacementDirector.PlacementHintKey, silo);
                _ = services.Grains.GetGrain<IAffinityGrain>(gateway).Learn(note);
            }
        }
    }
}
