using OrleansPd.Core.Admin;
using OrleansPd.Core.States;

namespace OrleansPd.Testing.Contracts;

/// <summary>A control plane that runs, whatever it runs in, with a time that the test moves.</summary>
public interface IControlPlaneHost : IAsyncDisposable
{
    IControlPlane Plane { get; }

    IFleetAdmin Admin { get; }

    /// <summary>Moves the time, and with it whatever waits for it.</summary>
    void Advance(TimeSpan by);
}
