namespace OrleansPd.Core.Workers;

/// <summary>
/// Compares the process identities that engines report: <c>name=value</c> parts joined by <c>;</c>. A report may lack parts
/// (a probe timed out), so only a part that both have and that differs proves a restart.
/// </summary>
public static class ProcessIdentity
{
    /// <summary>Null: unknown, because the two have no part in common.</summary>
    public static bool? Same(string? left, string? right)
    {
        if (left is null || right is null)
            return null;
        bool? same = null;
        foreach (var part in left.Split(';'))
        {
            var name = part[..(part.IndexOf('=', StringComparison.Ordinal) + 1)];
            foreach (var other in right.Split(';'))
            {
                if (name.Length > 0 && other.StartsWith(name, StringComparison.Ordinal))
                {
                    if (!string.Equals(part, other, StringComparison.Ordinal))
                        return false;
                    same = true;
                }
            }
        }
        return same;
    }
}
