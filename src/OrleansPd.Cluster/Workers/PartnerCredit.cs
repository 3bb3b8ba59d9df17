namespace OrleansPd.Cluster.Workers;

/// <summary>
/// The slot that a readiness check uses on the partner of the checked worker. It is requested like a gateway's credit, so that a
/// check never exceeds the capacity of the partner's engine.
/// </summary>
internal sealed class PartnerCredit(WorkerServices services)
{
    private const int Tries = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);
    private (IWorkerGrain Grain, string Holder, long Registration)? _held;
    private long _sequence = services.Clock.GetUtcNow().UtcTicks;

    /// <summary>False: no slot is free now.</summary>
    public async Task<bool> TakeAsync(WorkerId owner, WorkerSnapshot partner, CancellationToken cancellationToken)
    {
        if (services.Plane.RegistrationOf(partner.Id) is not { } registration)
            return false;
        var grain = services.Grains.WorkerGrain(partner.Role, partner.Id);
        var holder = services.Members.ReadinessHolder(owner.Value);
        _held = (grain, holder, registration);
        var held = 0;
        for (var i = 0; i < Tries; i++)
        {
            try
            {
                // Readiness checks use rank 0.
                var answer = await grain.Sync(Claim(holder, registration, held, 1 - held)).AsTask().WaitAsync(cancellationToken)
                    .ConfigureAwait(false);
                held = answer.Grant is { Ranks: [var first, ..] } ? Math.Min(1, first.Credits) : 0;
                if (held > 0)
                    return true;
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                Log.NoPartner(services.Log, owner, partner.Id, e.Message);
            }
            await Task.Delay(Pause, services.Clock, cancellationToken).ConfigureAwait(false);
        }
        await ReturnAsync().ConfigureAwait(false);
        return false;
    }

    /// <summary>Returns the slot; if the call fails, the credit expires.</summary>
    public async Task ReturnAsync()
    {
        if (_held is not { } held)
            return;
        _held = null;
        var report = Claim(held.Holder, held.Registration, 0, 0);
        try
        {
            _ = await held.Grain.Sync(report with { Claim = report.Claim with { IsLeaving = true } }).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Log.NotReturned(services.Log, e.Message);
        }
    }

    private GatewayReport Claim(string holder, long registration, int held, int wanted) => new()
    {
        Claim = new CreditClaim
        {
            Gateway = holder,
            Sequence = ++_sequence,
            IsBrief = true,
            Ranks = [new RankClaim(held, held, wanted, held, 0)],
        },
        Registration = registration,
        Epoch = 0,
    };
}
