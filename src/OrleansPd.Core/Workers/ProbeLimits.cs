using OrleansPd.Core.Options;

namespace OrleansPd.Core.Workers;

/// <summary>How patient the fleet is with an engine.</summary>
/// <param name="RefusedToLeave">Refused probes in a row after which a worker is not paired.</param>
/// <param name="MissesToLeave">Unanswered probes in a row after which a worker is not paired.</param>
/// <param name="PrefillHold">Time a restarted prefill is held back, so that decode engines forget its former ranks.</param>
public sealed record ProbeLimits(int RefusedToLeave, int MissesToLeave, TimeSpan PrefillHold)
{
    public static ProbeLimits Of(ControlPlaneOptions options) =>
        // Behind a facade a restarted prefill has a new address, of which decode engines have nothing to forget.
        new(2, 3, options.BootstrapFacade ? TimeSpan.Zero : TimeSpan.FromSeconds(options.PrefillRestartHoldSecs));
}
