namespace OrleansPd.Core.Credits;

/// <summary>
/// Divides slots among gateways: max-min fair by need, then the rest evenly, so that every gateway has some ahead of need.
/// </summary>
internal static class Shares
{
    /// <param name="slots">Slots to divide; negative counts as 0.</param>
    /// <param name="needs">Need of each gateway.</param>
    /// <param name="shares">Share of each gateway; the sum is at most <paramref name="slots"/>.</param>
    /// <param name="turn">Rotates which gateways get the indivisible rest when not all needs can be met.</param>
    public static void Divide(int slots, ReadOnlySpan<int> needs, Span<int> shares, int turn)
    {
        shares.Clear();
        var left = Math.Max(0, slots);
        var open = needs.Length;
        // Each round gives an equal number to every gateway with unmet need, until all needs are met or no slot is left.
        while (left > 0 && open > 0)
        {
            open = 0;
            for (var i = 0; i < needs.Length; i++)
                open += shares[i] < needs[i] ? 1 : 0;
            var each = open == 0 ? 0 : left / open;
            if (open > 0 && each == 0)
            {
                GiveOdd(ref left, needs, shares, turn);
                return;
            }
            for (var i = 0; i < needs.Length && open > 0; i++)
            {
                var more = Math.Min(each, needs[i] - shares[i]);
                if (more > 0)
                {
                    shares[i] += more;
                    left -= more;
                }
            }
        }
        for (var i = 0; i < needs.Length && left > 0; i++)
        {
            var even = (left + needs.Length - i - 1) / (needs.Length - i);
            shares[i] += even;
            left -= even;
        }
    }

    private static void GiveOdd(ref int left, ReadOnlySpan<int> needs, Span<int> shares, int turn)
    {
        for (var i = 0; i < needs.Length && left > 0; i++)
        {
            var at = (int)((uint)(i + turn) % (uint)needs.Length);
            if (shares[at] < needs[at])
            {
                shares[at]++;
                left--;
            }
        }
    }
}
