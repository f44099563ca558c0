/*
 * Licensed to the Apache Software Foundation (ASF) under one
 * or more contributor license agreements.  See the NOTICE file
 * distributed with this work for additional information
 * regarding copyright ownership.  The ASF licenses this file
 * to you under the Apache License, Version 2.0 (the
 * "License"); you may not use this file except in compliance
 * with the License.  You may obtain a copy of the License at
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 *
 * Changed from Apache Beam 2.62.0: see NOTICE beside this folder.
 */
package org.apache.beam.runners.fnexecution.control;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.beam.model.fnexecution.v1.BeamFnApi.BundleApplication;
import org.apache.beam.model.fnexecution.v1.BeamFnApi.DelayedBundleApplication;
import org.apache.beam.model.fnexecution.v1.BeamFnApi.ProcessBundleResponse;
import org.apache.beam.runners.core.StateInternalsFactory;
import org.apache.beam.runners.core.StateNamespace;
import org.apache.beam.runners.core.StateNamespaces;
import org.apache.beam.runners.core.StateTags;
import org.apache.beam.runners.core.TimerInternalsFactory;
import org.apache.beam.sdk.coders.Coder;
import org.apache.beam.sdk.coders.CoderException;
import org.apache.beam.sdk.state.TimeDomain;
import org.apache.beam.sdk.state.ValueState;
import org.apache.beam.sdk.transforms.windowing.BoundedWindow;
import org.apache.beam.sdk.util.CoderUtils;
import org.apache.beam.sdk.util.WindowedValue;
import org.apache.beam.vendor.grpc.v1p60p1.com.google.protobuf.Timestamp;
import org.joda.time.Instant;

/** Replaces Beam's class of this name; it goes before Beam's jars on the class path. */
public class BundleCheckpointHandlers {

  /**
   * Keeps what a splittable DoFn has left to do, each residual in a state of its own until a timer brings it back.
   *
   * <p>Beam's own makes a new name of a state for each residual and clears none. Here a residual that came back is
   * cleared, and its name is used again: there are as many names as residuals wait at a time. Delays and watermarks
   * keep their milliseconds.
   */
  @SuppressWarnings({"rawtypes", "unchecked"})
  public static class StateAndTimerBundleCheckpointHandler<T> implements BundleCheckpointHandler {
    public static final String SDF_PREFIX = "sdf_checkpoint";

    /** Names whose timers fired since the bundle of this task began: a task fires and ends bundles in one thread. */
    private static final ThreadLocal<Set<String>> FIRED = ThreadLocal.withInitial(HashSet::new);

    private final TimerInternalsFactory<T> timers;
    private final StateInternalsFactory<T> states;
    private final Coder<WindowedValue<T>> residualCoder;
    private final Coder windowCoder;

    /** Names of this handler differ from those of any other, also of the ones that a checkpoint was restored from. */
    private final String ours = SDF_PREFIX + ":" + UUID.randomUUID() + ":";

    private final Deque<String> free = new ArrayDeque<>();
    private final Map<String, Place<T>> waiting = new HashMap<>();
    private int made;

    /** Where the state of a residual is. */
    private static final class Place<T> {
      private final T key;
      private final StateNamespace namespace;

      private Place(T key, StateNamespace namespace) {
        this.key = key;
        this.namespace = namespace;
      }
    }

    public StateAndTimerBundleCheckpointHandler(
        TimerInternalsFactory<T> timerInternalsFactory,
        StateInternalsFactory<T> stateInternalsFactory,
        Coder<WindowedValue<T>> residualCoder,
        Coder windowCoder) {
      this.timers = timerInternalsFactory;
      this.states = stateInternalsFactory;
      this.residualCoder = residualCoder;
      this.windowCoder = windowCoder;
    }

    /** Tells whether a timer brings back a residual. The runner asks when the timer fires, and then reads the state. */
    public static boolean isSdfTimer(String timerId) {
      boolean residual = timerId.startsWith(SDF_PREFIX);
      if (residual) {
        FIRED.get().add(timerId);
      }
      return residual;
    }

    @Override
    public void onCheckpoint(ProcessBundleResponse response) {
      try {
        List<DelayedBundleApplication> residuals = new ArrayList<>();
        List<WindowedValue<T>> values = new ArrayList<>();
        for (DelayedBundleApplication residual : response.getResidualRootsList()) {
          if (residual.hasApplication()) {
            residuals.add(residual);
            values.add(decoded(residual.getApplication()));
          }
        }
        clearFired(values);
        for (int index = 0; index < values.size(); index++) {
          keep(residuals.get(index), values.get(index));
        }
      } catch (CoderException e) {
        throw new RuntimeException("Cannot read the residual of a splittable DoFn", e);
      }
    }

    private WindowedValue<T> decoded(BundleApplication application) throws CoderException {
      return CoderUtils.decodeFromByteArray(residualCoder, application.getElement().toByteArray());
    }

    /** Clears what came back in this bundle. What was restored is found by the key of what is left of it. */
    private void clearFired(List<WindowedValue<T>> left) {
      Set<String> fired = FIRED.get();
      for (String name : fired) {
        Place<T> place = waiting.remove(name);
        if (place != null) {
          state(place.key, place.namespace, name).clear();
        } else {
          for (WindowedValue<T> value : left) {
            for (BoundedWindow window : value.getWindows()) {
              state(value.getValue(), StateNamespaces.window(windowCoder, window), name).clear();
            }
          }
        }
        free.add(name);
      }
      fired.clear();
    }

    private void keep(DelayedBundleApplication residual, WindowedValue<T> value) {
      T key = value.getValue();
      Instant resume = Instant.now().plus(delay(residual));
      Instant hold = Instant.ofEpochMilli(leastWatermark(residual.getApplication()));
      for (BoundedWindow window : value.getWindows()) {
        String name = free.isEmpty() ? ours + made++ : free.poll();
        StateNamespace namespace = StateNamespaces.window(windowCoder, window);
        timers.timerInternalsForKey(key).setTimer(namespace, name, "", resume, hold, TimeDomain.PROCESSING_TIME);
        state(key, namespace, name)
            .write(
                WindowedValue.of(key, value.getTimestamp(), Collections.singletonList(window), value.getPane()));
        waiting.put(name, new Place<>(key, namespace));
      }
    }

    private ValueState<WindowedValue<T>> state(T key, StateNamespace namespace, String name) {
      return states.stateInternalsForKey(key).state(namespace, StateTags.value(name, residualCoder));
    }

    private static long delay(DelayedBundleApplication residual) {
      return Duration.ofSeconds(
              residual.getRequestedTimeDelay().getSeconds(), residual.getRequestedTimeDelay().getNanos())
          .toMillis();
    }

    private static long leastWatermark(BundleApplication application) {
      return application.getOutputWatermarksMap().values().stream()
          .mapToLong(StateAndTimerBundleCheckpointHandler::millis)
          .min()
          .orElse(BoundedWindow.TIMESTAMP_MIN_VALUE.getMillis());
    }

    private static long millis(Timestamp time) {
      return java.time.Instant.ofEpochSecond(time.getSeconds(), time.getNanos()).toEpochMilli();
    }
  }
}
