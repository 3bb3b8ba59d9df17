namespace OrleansPd.Core.Workers;

/// <summary>Names a worker for as long as it is registered, whatever process answers at its address.</summary>
/// <param name="Value">Not empty; unique in the fleet. By default the canonical URL of the worker.</param>
public readonly record struct WorkerId(string Value)
{
    public bool IsNone => string.IsNullOrEmpty(Value);

    public override string ToString() => Value ?? "";
}
