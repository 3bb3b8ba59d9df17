using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Orleans.Runtime.Placement;
using OrleansPd.Client.Contracts;
using OrleansPd.Core.Policies;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Sends the other gateways what the policies have learned. Nothing waits for it: a lost message is a lost hint.
/// </summary>
/// <param name="services">The services of the gateway.</param>
/// <param name="take">Returns what the policies learned: with true all of it, with false what is new since the last call. Null =
/// nothing to send.</param>
internal sealed class AffinityPublisher(GatewayServices services, Func<bool, AffinityUpdate?> take)
{
    /// <summary>For this long after a gateway has joined, everything is sent, not only what is new.</summary>
    private static readonly TimeSpan NewcomerLearns = TimeSpan.FromMinutes(1);

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
            if (take(services.Clock.GetElapsedTime(joined) < NewcomerLearns) is not { } update)
            {
                continue;
            }
            var note = new AffinityNote(update.Workers, MemoryMarshal.AsBytes(update.Words.Span).ToArray());
            foreach (var (gateway, silo) in others)
            {
                RequestContext.Set(IPlacementDirector.PlacementHintKey, silo);
                _ = services.Grains.GetGrain<IAffinityGrain>(gateway).Learn(note);
            }
        }
    }
}
